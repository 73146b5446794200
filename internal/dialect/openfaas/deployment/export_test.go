package deployment

import "rouse.dev/rouse/internal/fn"

// ScaleOf reads the policy of scaling of a function deployed by an image.
func ScaleOf(of map[string]string, inflight string) (fn.Scale, []string, error) {
	var ms fn.Mistakes
	var s fn.Scale
	l := labels{ms: &ms, of: of}
	l.scale(&s, true, inflight)
	return s, l.remarks, ms.Err()
}

// TimeoutOf reads the deadline of a call.
var TimeoutOf = timeoutOf
