package control

import (
	"fmt"
	"testing"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

func stored(t *testing.T, name, schedule string) store.Object {
	t.Helper()
	ref := fn.Ref{Namespace: "default", Name: name}
	value, err := encode(fn.Function{Ref: ref, Annotations: map[string]string{"schedule": schedule}})
	if err != nil {
		t.Fatal(err)
	}
	return store.Object{Key: functionKey(ref), Version: 1, Value: value}
}

func TestWhatIsRememberedOfAFunctionFollowsItsText(t *testing.T) {
	var r recent
	for _, schedule := range []string{"@daily", "@daily", "@hourly", "@daily"} { // the version says nothing: a restore sets it back
		f, err := r.function(stored(t, "a", schedule))
		if err != nil || f.Annotations["schedule"] != schedule {
			t.Fatalf("%q, %v, not %q", f.Annotations, err, schedule)
		}
	}
	broken := stored(t, "a", "@daily")
	broken.Value = broken.Value[:10]
	if _, err := r.function(broken); fn.KindOf(err) != fn.Internal {
		t.Errorf("half a text: %v", err)
	}
}

func TestOnlySoManyFunctionsAreRemembered(t *testing.T) {
	var r recent
	for i := range 3 * recentMost {
		if _, err := r.function(stored(t, fmt.Sprint("f-", i), "@daily")); err != nil {
			t.Fatal(err)
		}
		if len(r.known) > recentMost {
			t.Fatalf("%d are remembered", len(r.known))
		}
	}
}
