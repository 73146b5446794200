package deployment

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

// FuzzKept checks that whatever a deployment says is kept in annotations that
// are valid, and comes back.
func FuzzKept(f *testing.F) {
	f.Add("cat", "a\x7f\n\u2028\"<&", "5Mi", "1", 1)
	f.Add("", strings.Repeat("日本🐈", 500), "", "", 9)
	f.Fuzz(func(t *testing.T, process, constraint, memory, gpu string, times int) {
		for _, s := range []string{process, constraint, memory, gpu} {
			if !utf8.ValidString(s) {
				t.Skip("a request cannot hold it")
			}
		}
		req := Request{Settings: Settings{
			Process: process, Env: map[string]string{processEnv: constraint}, ReadOnly: times%2 == 1,
			Limits: &Resources{Memory: memory}, Requests: &Resources{Nvidia: gpu},
		}}
		for range times & 15 {
			req.Constraints = append(req.Constraints, constraint)
		}
		k := keep(&req)
		annotations := k.annotations()
		if err := fn.ValidateLabels("annotations", annotations); err != nil && len(annotations) <= fn.MaxLabels {
			t.Errorf("not valid: %v", err)
		}
		back := keptOf(annotations)
		if back == nil {
			t.Fatalf("nothing comes back of %q", annotations)
		}
		if diff := cmp.Diff(k, *back); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNothingIsRecalledOfWhatIsNotKept(t *testing.T) {
	for _, annotations := range []map[string]string{nil, {}, {sentKey: "not JSON"}, {sentName(1): "{}"}, {"a": "b"}} {
		if k := keptOf(annotations); k != nil {
			t.Errorf("%v: %+v", annotations, k)
		}
	}
}
