package scale

import "math"

// Burst says how many instances to start at once, now, because calls are
// held: as many as it takes to give every call in flight or queued a slot,
// less those that run or are on their way, and no more than limit in all. It
// never waits for a window: the first calls of a function at zero are the
// reason it exists. Negative arguments count as 0; concurrency below 1 counts
// as 1.
func Burst(inflight, queued, concurrency, running, starting, limit int) int {
	have := sum(running, starting)
	if have >= limit {
		return 0
	}
	need := sum(inflight, queued)
	if concurrency > 1 && need > 0 {
		need = (need-1)/concurrency + 1
	}
	if need <= have {
		return 0
	}
	return min(need, limit) - have
}

// First raises n, what Burst says, to activation if these are the first
// instances: with none there (have 0), traffic begins. It stays within limit.
func First(n, have, activation, limit int) int {
	if n <= 0 || have > 0 {
		return n
	}
	return max(n, min(activation, limit))
}

// sum adds two counts and stops at the largest int.
func sum(a, b int) int {
	a, b = max(a, 0), max(b, 0)
	if a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}
