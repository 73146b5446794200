package logs

// idLength is the length of a call id in text form.
const idLength = 36

// splitTag takes the call's id off the front of a line that begins with one:
// shims say in that way which of several calls in hand a line belongs to. A
// function can tag its own lines only, so a false tag misleads nobody else.
func splitTag(line []byte) (call string, rest []byte) {
	if len(line) <= idLength || line[idLength] != ' ' {
		return "", line
	}
	for i, c := range line[:idLength] {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return "", line
		}
	}
	return string(line[:idLength]), line[idLength+1:]
}
