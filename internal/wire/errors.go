package wire

import "errors"

// ErrHeadTooLarge: a message head is longer than the limit given.
var ErrHeadTooLarge = errors.New("message head too large")

// SyntaxError says why a message is refused. Status is what a server answers
// when the message is a request; for a response it has no meaning.
type SyntaxError struct {
	Status  int
	Message string
}

func (e *SyntaxError) Error() string { return e.Message }

// Everything that can be wrong with a message. They are values, so that
// refusing costs no allocation.
var (
	errBareLF        = &SyntaxError{400, "a line ends with a bare LF"}
	errBareCR        = &SyntaxError{400, "a CR without LF"}
	errRequestLine   = &SyntaxError{400, "malformed request line"}
	errMethod        = &SyntaxError{400, "malformed method"}
	errTarget        = &SyntaxError{400, "malformed request target"}
	errVersion       = &SyntaxError{505, "HTTP version not supported"}
	errStatusLine    = &SyntaxError{400, "malformed status line"}
	errFieldName     = &SyntaxError{400, "malformed field name"}
	errFieldValue    = &SyntaxError{400, "control character in a field value"}
	errFieldCount    = &SyntaxError{431, "too many header fields"}
	errHostMissing   = &SyntaxError{400, "missing Host"}
	errHostTwice     = &SyntaxError{400, "more than one Host"}
	errHost          = &SyntaxError{400, "malformed Host"}
	errLength        = &SyntaxError{400, "malformed Content-Length"}
	errLengthTwice   = &SyntaxError{400, "more than one Content-Length"}
	errLengthAndTE   = &SyntaxError{400, "both Content-Length and Transfer-Encoding"}
	errTETwice       = &SyntaxError{400, "more than one Transfer-Encoding"}
	errTEOld         = &SyntaxError{400, "Transfer-Encoding in an HTTP/1.0 message"}
	errTE            = &SyntaxError{501, "unknown transfer coding"}
	errExpect        = &SyntaxError{417, "unknown expectation"}
	errConnection    = &SyntaxError{400, "malformed Connection"}
	errChunkSize     = &SyntaxError{400, "malformed chunk size"}
	errChunkExt      = &SyntaxError{400, "malformed or oversized chunk extension"}
	errChunkEnd      = &SyntaxError{400, "chunk data is longer than its size"}
	errTrailerTooBig = &SyntaxError{431, "trailer section too large"}
)
