package wire

// Character classes of RFC 9110 and 9112, as bits of class.
const (
	isToken  = 1 << iota // tchar
	isValue              // may stand in a field value: HTAB, SP, VCHAR, obs-text
	isTarget             // may stand in a request target
	isHost               // may stand in a Host field
	isHex                // HEXDIG
)

// class is a compiled constant.
var class = makeClass()

func makeClass() (t [256]uint8) {
	set := func(chars string, bit uint8) {
		for i := range len(chars) {
			t[chars[i]] |= bit
		}
	}
	const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	set(alnum+"!#$%&'*+-.^_`|~", isToken)
	set(alnum+"-._~!$&'()*+,;=:[]%", isHost)
	set("0123456789abcdefABCDEF", isHex)
	for c := range 256 {
		if c >= ' ' && c != 0x7f || c == '\t' {
			t[c] |= isValue
		}
		if c > ' ' && c != 0x7f && c != '#' {
			t[c] |= isTarget
		}
	}
	return t
}

// all reports whether every byte of b is in the class.
func all(b []byte, bit uint8) bool {
	for _, c := range b {
		if class[c]&bit == 0 {
			return false
		}
	}
	return true
}

// lower maps A–Z to a–z.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// EqualFold reports whether b is the lower-case ASCII string s, in any case.
func EqualFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if lower(c) != s[i] {
			return false
		}
	}
	return true
}

// HasPrefixFold reports whether b begins with the lower-case ASCII string s,
// in any case.
func HasPrefixFold(b []byte, s string) bool {
	return len(b) >= len(s) && EqualFold(b[:len(s)], s)
}

// trim removes optional white space (SP, HTAB) from both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// validEscapes reports whether every '%' in the path part of a request target
// is followed by two hexadecimal digits.
func validEscapes(target []byte) bool {
	for i := 0; i < len(target) && target[i] != '?'; i++ {
		if target[i] == '%' {
			if i+2 >= len(target) || class[target[i+1]]&isHex == 0 || class[target[i+2]]&isHex == 0 {
				return false
			}
			i += 2
		}
	}
	return true
}
