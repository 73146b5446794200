package async

import "time"

// Bounds of a window's pauses.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 30 * time.Second
)

// window decides how many calls a function gets at once. It opens by one for
// each call that ended well, so it doubles in the time of one call; halves
// when the function says that it is busy, and from there on opens slowly. A
// function that is busy even with one call is left alone for a while, so that
// waiting calls do not use up their tries. It is pure: time is an argument.
type window struct {
	size     float64       // calls at once; at least 1
	slow     float64       // from this size on it opens slowly; 0: never been busy
	cut      time.Time     // when it was halved last
	pause    time.Duration // the last pause; 0 if the function took a call since
	notAfter time.Time     // no call before this
}

// firstWindow is what a function gets at first.
const firstWindow = 8

func newWindow() window { return window{size: firstWindow} }

// took notes that a call ended without the function being busy.
func (w *window) took() {
	w.pause = 0
	if w.slow == 0 || w.size < w.slow {
		w.size++
		return
	}
	w.size += 1 / w.size
}

// busy notes that the function, or the platform for it, refused a call that
// was begun at a time; after is what it asked for. Calls begun before the last
// cut say nothing new.
func (w *window) busy(begun, now time.Time, after time.Duration) {
	if begun.Before(w.cut) {
		return
	}
	if w.size <= 1 || after > 0 {
		w.pause = min(max(2*w.pause, firstPause), maxPause)
		w.notAfter = now.Add(min(max(w.pause, after), maxPause))
	}
	w.size = max(w.size/2, 1)
	w.slow = w.size
	w.cut = now
}

// room is how many further calls may be begun, with inHand begun already and
// others, not ours, with the function; most is what the function can take.
// One call is always allowed: else a function that others keep busy would
// never get one.
func (w *window) room(inHand, others, most int) int {
	w.size = min(w.size, float64(max(most, 1)))
	return max(min(int(w.size), most-others), 1) - inHand
}

// rested reports whether there is nothing to remember.
func (w *window) rested(now time.Time) bool {
	return w.slow == 0 || now.After(w.cut.Add(maxPause)) && now.After(w.notAfter)
}
