package wire

// MaxFields is the largest number of header fields a message may have.
const MaxFields = 128

// Field is one header or trailer field. Name and Value point into the buffer
// it was parsed from; Value has no white space around it.
type Field struct {
	Name, Value []byte
	ID          ID
}

// ID tells the fields HTTP itself gives a meaning to.
type ID uint8

// The known fields. Any other is Other.
const (
	Other ID = iota
	Connection
	ContentLength
	Date
	Expect
	Forwarded
	Host
	HTTP2Settings
	KeepAlive
	ProxyAuthenticate
	ProxyAuthorization
	ProxyConnection
	TE
	Trailer
	TransferEncoding
	Upgrade
)

// HopByHop reports whether a field concerns one connection only, so that a
// gateway must not pass it on.
func (id ID) HopByHop() bool {
	switch id {
	case Connection, HTTP2Settings, KeepAlive, ProxyAuthenticate, ProxyAuthorization,
		ProxyConnection, TE, TransferEncoding, Upgrade:
		return true
	}
	return false
}

// identify finds the ID of a field name.
func identify(name []byte) ID {
	switch len(name) {
	case 2:
		return when(name, "te", TE)
	case 4:
		if id := when(name, "host", Host); id != Other {
			return id
		}
		return when(name, "date", Date)
	case 6:
		return when(name, "expect", Expect)
	case 7:
		if id := when(name, "upgrade", Upgrade); id != Other {
			return id
		}
		return when(name, "trailer", Trailer)
	case 9:
		return when(name, "forwarded", Forwarded)
	case 10:
		if id := when(name, "connection", Connection); id != Other {
			return id
		}
		return when(name, "keep-alive", KeepAlive)
	case 14:
		if id := when(name, "content-length", ContentLength); id != Other {
			return id
		}
		return when(name, "http2-settings", HTTP2Settings)
	case 16:
		return when(name, "proxy-connection", ProxyConnection)
	case 17:
		return when(name, "transfer-encoding", TransferEncoding)
	case 18:
		return when(name, "proxy-authenticate", ProxyAuthenticate)
	case 19:
		return when(name, "proxy-authorization", ProxyAuthorization)
	}
	return Other
}

func when(name []byte, want string, id ID) ID {
	if lower(name[0]) == want[0] && EqualFold(name, want) {
		return id
	}
	return Other
}

// parseField reads one field line, CRLF included, and returns the rest. b
// holds at least one whole line.
func parseField(b []byte) (f Field, rest []byte, err *SyntaxError) {
	i := 0
	for i < len(b) && class[b[i]]&isToken != 0 {
		i++
	}
	if i == 0 || i >= len(b) || b[i] != ':' {
		return f, nil, errFieldName
	}
	f.Name = b[:i]
	i++
	start := i
	for i < len(b) && class[b[i]]&isValue != 0 {
		i++
	}
	switch {
	case i >= len(b):
		return f, nil, errBareCR // no line end: cannot be, the caller saw one
	case b[i] == '\n':
		return f, nil, errBareLF
	case b[i] != '\r':
		return f, nil, errFieldValue
	case i+1 >= len(b) || b[i+1] != '\n':
		return f, nil, errBareCR
	}
	f.Value = trim(b[start:i])
	f.ID = identify(f.Name)
	return f, b[i+2:], nil
}

// NewField makes a field of a name and a value that another parser took
// apart. What could break out of a field line is refused.
func NewField(name, value string) (Field, error) {
	f := Field{Name: []byte(name), Value: trim([]byte(value))}
	switch {
	case len(name) == 0 || !all(f.Name, isToken):
		return Field{}, errFieldName
	case !all(f.Value, isValue):
		return Field{}, errFieldValue
	}
	f.ID = identify(f.Name)
	return f, nil
}
