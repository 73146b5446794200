package wire

import "strconv"

// AppendField appends "name: value\r\n". Neither may come from outside
// unparsed: what Parse accepts holds no line end.
func AppendField(b, name, value []byte) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// AppendInt appends n in decimal.
func AppendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// ChunkOverhead is the room a chunk of up to 64 MiB needs before and after
// its data.
const (
	ChunkBefore = 8 // six digits, CRLF
	ChunkAfter  = 2
)

// PutChunk completes a chunk whose n bytes of data stand at b[at:at+n], with
// at least ChunkBefore bytes of room before them and ChunkAfter after. It
// returns where the chunk begins and ends. n is neither 0 nor over 1<<24-1.
func PutChunk(b []byte, at, n int) (start, end int) {
	const digits = "0123456789abcdef"
	b[at-1], b[at-2] = '\n', '\r'
	start = at - 2
	for v := n; v > 0; v >>= 4 {
		start--
		b[start] = digits[v&15]
	}
	b[at+n], b[at+n+1] = '\r', '\n'
	return start, at + n + 2
}

// AppendLastChunk appends the end of a chunked body with its trailer fields;
// those that may not be one are left out.
func AppendLastChunk(b []byte, trailers []Field) []byte {
	b = append(b, "0\r\n"...)
	for i := range trailers {
		if f := &trailers[i]; TrailerAllowed(f) {
			b = AppendField(b, f.Name, f.Value)
		}
	}
	return append(b, "\r\n"...)
}
