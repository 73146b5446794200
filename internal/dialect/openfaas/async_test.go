package openfaas

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/fn"
)

// accepted is a Calls that keeps what it was given.
type accepted struct {
	calls     []async.Call
	cancelled []string
	fail      error
}

func (a *accepted) Submit(_ context.Context, c async.Call) error {
	a.calls = append(a.calls, c)
	return a.fail
}

func (a *accepted) Cancel(_ context.Context, id string, may func(fn.Ref) error) error {
	if id != "a/b" {
		return fn.Errorf(fn.NotFound, "no call")
	}
	if err := may(fn.Ref{Namespace: "team-a", Name: "f"}); err != nil {
		return err
	}
	a.cancelled = append(a.cancelled, id)
	return a.fail
}

// identify knows admin, and team, who may change things in team-b.
func identify(r *http.Request) (auth.Identity, error) {
	switch name, _, _ := r.BasicAuth(); name {
	case "":
		return auth.Identity{}, nil
	case "admin":
		return auth.Identity{Name: name, Grants: []auth.Grant{{Role: auth.Administrator}}}, nil
	case "team":
		return auth.Identity{Name: name, Grants: []auth.Grant{{Role: auth.Deployer, Namespace: "team-b"}}}, nil
	}
	return auth.Identity{}, fn.Errorf(fn.Unauthenticated, "wrong password")
}

func asyncDoor(calls Calls) http.Handler {
	return NewAsync(AsyncConfig{
		Calls: calls, Identify: identify, MaxBody: 16, Product: "rouse/1", Trusted: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
	}).Route(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
}

func ask(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.7:1234"
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "from" {
			r.RemoteAddr = header[i+1]
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAsyncCallsAreAcceptedAsTheyWereSent(t *testing.T) {
	for target, want := range map[string]struct {
		ref         fn.Ref
		path, query string
	}{
		"/async-function/f":                          {fn.Ref{Namespace: "default", Name: "f"}, "", ""},
		"/async-function/f/":                         {fn.Ref{Namespace: "default", Name: "f"}, "/", ""},
		"/async-function/f.openfaas-fn/a%2Fb//c?x=1": {fn.Ref{Namespace: "default", Name: "f"}, "/a%2Fb//c", "x=1"},
		"/async-function/f.team-a?q=%zz;":            {fn.Ref{Namespace: "team-a", Name: "f"}, "", "q=%zz;"},
	} {
		calls := &accepted{}
		w := ask(asyncDoor(calls), "POST", target, "hello", "X-Callback-Url", "http://example.org/", "X-Call-Id", "mine", "X-Mine", "1")
		if w.Code != 202 || w.Body.Len() > 0 || len(calls.calls) != 1 {
			t.Errorf("%s: %d %q", target, w.Code, w.Body)
			continue
		}
		c := calls.calls[0]
		if c.Ref != want.ref || c.Path != want.path || c.Query != want.query || string(c.Body) != "hello" || c.Callback != "http://example.org/" || c.ID != "mine" {
			t.Errorf("%s: %+v", target, c)
		}
		if h := w.Result().Header; h.Get("X-Call-Id") != "mine" || h.Get("X-Served-By") != "rouse/1" || len(h.Get("X-Start-Time")) != 19 {
			t.Errorf("%s: %v", target, h)
		}
	}
}

func TestAsyncCallIDsOfCallersAreKeptIfTheyCanBe(t *testing.T) {
	for sent, kept := range map[string]bool{"abc-1": true, "0194d0e2-0000-4000-8000-000000000000": true, "": false, "a b": false, "a\x7f": false, "cron.0.1": false, "cronic": true, strings.Repeat("x", 129): false, strings.Repeat("x", 128): true} {
		calls := &accepted{}
		w := ask(asyncDoor(calls), "POST", "/async-function/f", "", "X-Call-Id", sent)
		if id := w.Header().Get("X-Call-Id"); (id == sent) != kept || id != calls.calls[0].ID || !async.ValidID(id) {
			t.Errorf("%.20q became %q", sent, id)
		}
	}
}

func TestAsyncCallersCannotPretendToBeSomebodyElse(t *testing.T) {
	calls := &accepted{}
	door := asyncDoor(calls)
	lies := []string{"X-Forwarded-For", "10.0.0.1", "X-Forwarded-Host", "evil", "X_Forwarded_Proto", "https", "X-Real-Ip", "10.0.0.1", "X-Rouse-Deadline", "1", "X_rouse_x", "1"}
	ask(door, "POST", "http://example.org/async-function/f", "", lies...)
	ask(door, "POST", "http://example.org/async-function/f", "", append(lies, "from", "198.51.100.1:99")...)
	stranger, proxy := calls.calls[0].Header, calls.calls[1].Header
	for name, want := range map[string]string{
		"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Host": "example.org", "X-Forwarded-Proto": "http", "X_forwarded_proto": "",
		"X-Real-Ip": "", "X-Rouse-Deadline": "", "X_rouse_x": "",
	} {
		if got := stranger.Get(name); got != want {
			t.Errorf("of a stranger: %s: %q, want %q", name, got, want)
		}
	}
	if proxy.Get("X-Forwarded-For") != "10.0.0.1, 198.51.100.1" || proxy.Get("X-Forwarded-Host") != "evil" || proxy.Get("X-Real-Ip") != "" {
		t.Errorf("of a proxy that is believed: %v", proxy)
	}
}

func TestAsyncCallersCannotHaveOurFieldsTakenOut(t *testing.T) {
	calls := &accepted{}
	ask(asyncDoor(calls), "POST", "/async-function/f", "", "Connection", "close, x-forwarded-for, X-Forwarded-Host,x-mine", "X-Mine", "1")
	h := calls.calls[0].Header
	if len(h["Connection"]) > 0 || h.Get("X-Mine") != "" || h.Get("X-Forwarded-For") == "" || h.Get("X-Forwarded-Host") == "" {
		t.Error(h)
	}
}

func TestAsyncCallsThatCannotWorkAreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		method, target, body string
		fail                 error
		header               []string
		want                 int
	}{
		"no name":             {"POST", "/async-function/", "", nil, nil, 404},
		"a bad name":          {"POST", "/async-function/F_x", "", nil, nil, 404},
		"an escaped name":     {"POST", "/async-function/%66", "", nil, nil, 404},
		"unknown":             {"POST", "/async-function/f", "", fn.Errorf(fn.NotFound, "no"), nil, 404},
		"a bad callback":      {"POST", "/async-function/f", "", nil, []string{"X-Callback-Url", "http://a b:%"}, 400},
		"a refused callback":  {"POST", "/async-function/f", "", fn.Errorf(fn.Invalid, "no"), []string{"X-Callback-Url", "http://10.0.0.1"}, 400},
		"too large":           {"POST", "/async-function/f", strings.Repeat("x", 17), nil, nil, 413},
		"a full disk":         {"POST", "/async-function/f", "", fn.Errorf(fn.NoRoom, "full"), nil, 507},
		"GET":                 {"GET", "/async-function/f", "", nil, nil, 405},
		"PUT":                 {"PUT", "/async-function/f", "", nil, nil, 405},
		"another path":        {"POST", "/async-functions", "", nil, nil, http.StatusTeapot},
		"a path that is like": {"POST", "/system/../async-function/f", "", nil, nil, http.StatusTeapot},
	} {
		w := ask(asyncDoor(&accepted{fail: row.fail}), row.method, row.target, row.body, row.header...)
		if w.Code != row.want {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, row.want)
		}
		if w.Code == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s: no Allow", name)
		}
	}
}

func TestAsyncBodiesOfUnknownLengthAreCutOffAtTheLimit(t *testing.T) {
	calls := &accepted{}
	r := httptest.NewRequest("POST", "/async-function/f", io.MultiReader(strings.NewReader(strings.Repeat("x", 17))))
	r.ContentLength = -1
	w := httptest.NewRecorder()
	asyncDoor(calls).ServeHTTP(w, r)
	if w.Code != 413 || len(calls.calls) != 0 || !strings.Contains(w.Body.String(), "raise async.maxBody") {
		t.Errorf("%d, %d accepted, %s", w.Code, len(calls.calls), w.Body)
	}
}

func TestCancellingNeedsAnAccountThatMay(t *testing.T) {
	for name, row := range map[string]struct {
		account, id string
		want        int
	}{
		"a stranger": {"", "a%2Fb", 401}, "a wrong password": {"nobody", "a%2Fb", 401}, "another team": {"team", "a%2Fb", 403},
		"admin": {"admin", "a%2Fb", 202}, "an unescaped id": {"admin", "a/b", 202}, "no such call": {"admin", "x", 404},
	} {
		calls := &accepted{}
		r := httptest.NewRequest("DELETE", "/async-function/"+row.id, nil)
		if row.account != "" {
			r.SetBasicAuth(row.account, "x")
		}
		w := httptest.NewRecorder()
		asyncDoor(calls).ServeHTTP(w, r)
		if w.Code != row.want || (len(calls.cancelled) == 1) != (row.want == 202) {
			t.Errorf("%s: %d %s, cancelled %v", name, w.Code, w.Body, calls.cancelled)
		}
		if row.want == 401 && !strings.Contains(w.Header().Get("WWW-Authenticate"), "Basic") {
			t.Errorf("%s: no challenge", name)
		}
	}
}
