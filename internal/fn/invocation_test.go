package fn

import "testing"

func TestCallIDsAreReadAsTheyAreWritten(t *testing.T) {
	id := MakeCallID(1_700_000_000_000, 12345, 1<<63)
	if got, ok := ParseCallID([]byte(id.String())); !ok || got != id {
		t.Errorf("%s was read as %s, %v", id, got, ok)
	}
	for _, bad := range []string{
		"", "0190c1a2-7b3c-4d5e-8f60-718293a4b5c", "0190c1a2-7b3c-4d5e-8f60-718293a4b5c67", "0190c1a27b3c-4d5e-8f60-718293a4b5c6-",
		"0190C1A2-7B3C-4D5E-8F60-718293A4B5C6", "0190c1a2-7b3c-4d5e-8f60-718293a4b5cg", "00000000-0000-0000-0000-000000000000",
		"{190c1a2-7b3c-4d5e-8f60-718293a4b5c}",
	} {
		if got, ok := ParseCallID([]byte(bad)); ok {
			t.Errorf("%q was read as %s", bad, got)
		}
	}
}
