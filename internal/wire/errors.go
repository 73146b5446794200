package wire

import "errors"

// ErrHeadTooLarge: a message head is longer than the limit given.
var ErrHeadTooLarge = errors.New("message head too large")
