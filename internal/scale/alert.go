package scale

import "math"

// alertMax is the largest upper bound an alert's step is reckoned from.
const alertMax = 5

// AlertStep says how many replicas a function should have after an alert of
// OpenFaaS's kind. While it fires they grow by factor percent of the upper
// bound (of which no more than 5 count), rounded up, as far as the upper
// bound; once it is over they fall to the lower one. factor is 0–100; other
// values, and negative counts, are brought into their range.
func AlertStep(current, lowest, highest, factor int, firing bool) int {
	current, lowest, highest = max(current, 0), max(lowest, 0), max(highest, 0)
	if !firing {
		return lowest
	}
	step := (min(highest, alertMax)*min(max(factor, 0), 100) + 99) / 100
	if current > math.MaxInt-step {
		return highest
	}
	return min(highest, current+step)
}
