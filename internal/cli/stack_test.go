package cli

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoPasswordGoesWhereAFilePoints deploys a stack file whose gateway is on
// another machine, as far as its address says.
func TestNoPasswordGoesWhereAFilePoints(t *testing.T) {
	var asked int
	var sent string
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		sent += r.Header.Get("Authorization")
		http.Error(w, "no", http.StatusUnauthorized)
	}))
	defer far.Close()
	work := t.TempDir()
	write(t, filepath.Join(work, "box", "Dockerfile"), "FROM x")
	address := strings.Replace(far.URL, "127.0.0.1", "0.0.0.0", 1) // this machine, by an address that is not its own
	write(t, filepath.Join(work, "stack.yaml"), "provider: {name: openfaas, gateway: '"+address+"'}\nfunctions: {box: {lang: dockerfile, handler: box}}\n")
	for _, row := range []struct {
		args string
		sent bool
	}{{"deploy", false}, {"deploy --url " + address, true}} {
		asked, sent = 0, ""
		var shown strings.Builder
		env := func(name string) (string, bool) {
			v, ok := map[string]string{"ROUSE_PASSWORD": "secret", "ROUSE_DATA": work}[name]
			return v, ok
		}
		if code := Main(t.Context(), Deps{Dir: work, Env: env, Out: &shown, Err: &shown}, strings.Fields(row.args)); code != 3 || asked == 0 {
			t.Errorf("%s: code %d after %d requests\n%s", row.args, code, asked, shown.String())
		}
		if (sent != "") != row.sent {
			t.Errorf("%s: %d requests, Authorization %q", row.args, asked, sent)
		}
	}
}
