package logs

import (
	"testing"

	"rouse.dev/rouse/internal/fn"
)

func TestLinesTaggedByTheShimCarryTheirCall(t *testing.T) {
	id := fn.MakeCallID(1, 2, 3).String()
	for _, c := range []struct{ line, call, rest string }{
		{id + " info hello", id, "info hello"},
		{id + " ", id, ""},
		{id, "", id},
		{id + "x", "", id + "x"},
		{"plain", "", "plain"},
		{"", "", ""},
		{"0192ABCD-0000-7000-8000-000000000000 upper case is no id", "", "0192ABCD-0000-7000-8000-000000000000 upper case is no id"},
	} {
		if call, rest := splitTag([]byte(c.line)); call != c.call || string(rest) != c.rest {
			t.Errorf("splitTag(%q) = %q, %q", c.line, call, rest)
		}
	}
}
