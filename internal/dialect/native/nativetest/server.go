package nativetest

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/bundles"
	"rouse.dev/rouse/internal/dialect/native"
	"rouse.dev/rouse/internal/dialect/openfaas/functionstore"
	"rouse.dev/rouse/internal/fn"
)

// Accounts every Server has besides admin; passwords lie below its Dir.
var Accounts = []string{"eye:read", "ci:write", "team:write:team-a", "boss:admin:team-a"}

// CallID is the id of every call of a function of a Server.
const CallID = "019c1000-0000-7000-8000-000000000001"

// Server serves the native API over a Fake, and functions that answer with
// what they were sent, on a loopback port.
type Server struct {
	*httptest.Server
	*Fake
	Queue    *Queue // its asynchronous calls
	Dir      string // data folder with the password files
	Password string // of user admin
}

// Start starts a server whose passwords lie in dir. The caller closes it.
func Start(dir string) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return StartOn(l, dir)
}

// StartOn is Start on a listener, which the server closes.
func StartOn(l net.Listener, dir string) (*Server, error) {
	accounts, err := auth.Load(dir, Accounts)
	if err != nil {
		return nil, err
	}
	password, err := auth.ReadPassword(auth.PasswordFile(dir))
	if err != nil {
		return nil, err
	}
	s := &Server{Fake: NewFake(), Queue: &Queue{}, Dir: dir, Password: password}
	mux := http.NewServeMux()
	mux.Handle("/", native.New(native.Config{
		Control: s.Fake, Calls: s.Queue, Identify: auth.NewChecker(accounts, nil).Identify, Log: slog.New(slog.DiscardHandler),
		Metrics:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "rouse_up 1") }),
		Settings: []api.Setting{{Name: "listen", Value: "127.0.0.1:8080", Default: "127.0.0.1:8080", Source: "default", Env: "ROUSE_LISTEN", Doc: "address"}},
		Upload:   8 << 20,
	}))
	mux.HandleFunc("/function/", s.call)
	mux.HandleFunc("POST /async-function/", s.queue)
	set, err := bundles.Load()
	if err != nil {
		return nil, err
	}
	for _, pattern := range functionstore.Patterns {
		mux.Handle(pattern, functionstore.Handler(set.Store()))
	}
	s.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: mux}}
	s.Server.Start()
	s.SetBase(s.URL)
	return s, nil
}

// call is a function: it answers with its input. Paths choose other ends:
// /fail is the function's own error, /crash one of the platform.
func (s *Server) call(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Call-Id", CallID)
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/function/"), "/")
	name, namespace, ok := strings.Cut(name, ".")
	if !ok {
		namespace = fn.DefaultNamespace
	}
	ref := fn.Ref{Namespace: namespace, Name: name}
	f, err := s.Function(r.Context(), ref)
	switch {
	case err != nil:
		platformError(w, &api.Error{
			Kind: "not-found", Phase: "route", Cause: "no-such-function", CallID: CallID,
			Message: err.Error(), Hint: "rouse list shows those there are",
		}, http.StatusNotFound)
		return
	case rest == "crash":
		platformError(w, &api.Error{
			Kind: "failed", Phase: "run", Cause: "exited", Exit: "exit status 3", CallID: CallID,
			Message: "the function ended before it answered", Hint: "read its output", Output: []string{"boom"},
		}, http.StatusBadGateway)
		return
	}
	s.Print(ref, CallID, r.Method+" /"+rest)
	w.Header().Set("X-Revision", fmt.Sprint(f.Traffic[0].Revision))
	w.Header().Set("X-Rouse-Start", "cold;queue=0.1;start=2.3;init=4.5")
	w.Header().Set("X-Echo", r.Header.Get("X-Echo"))
	w.Header().Set("X-Signature", r.Header.Get("X-Signature"))
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	if rest == "fail" {
		w.WriteHeader(http.StatusTeapot)
	}
	if r.ContentLength == 0 {
		fmt.Fprintf(w, "%s /%s?%s\n", r.Method, rest, r.URL.RawQuery)
		return
	}
	_, _ = io.Copy(w, r.Body) // fails only if the client has left
}

// queue takes a call to be made later, and makes it never.
func (s *Server) queue(w http.ResponseWriter, r *http.Request) {
	name, namespace, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/async-function/"), ".")
	namespace, rest, _ := strings.Cut(namespace, "/")
	ref := fn.Ref{Namespace: namespace, Name: name}
	if _, err := s.Function(r.Context(), ref); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20)) // fails only if the client has left
	s.Print(ref, CallID, fmt.Sprintf("queued /%s?%s %s", rest, r.URL.RawQuery, body))
	w.Header().Set("X-Call-Id", CallID)
	w.WriteHeader(http.StatusAccepted)
}

func platformError(w http.ResponseWriter, e *api.Error, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Rouse-Phase", e.Phase)
	w.Header().Set("X-Rouse-Cause", e.Cause)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(api.ErrorBody{Error: e}) // fails only if the client has left
}
