package native_test

import (
	"encoding/json"
	"strings"
	"testing"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/dialect/native/nativetest"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

const ofF = "/v1/namespaces/team-a/functions/f/queue"

func letters(q *nativetest.Queue) {
	f, g := fn.Ref{Namespace: "team-a", Name: "f"}, fn.Ref{Namespace: "other", Name: "g"}
	for _, l := range []async.Letter{
		{ID: "a/1", Ref: f, Queue: "faas-request", State: queue.Waiting, Path: "/x", Size: 7, Published: nativetest.Epoch},
		{ID: "a2", Ref: f, Queue: "faas-request", State: queue.Buried, Path: "/y", Size: 3, Attempts: 10, Published: nativetest.Epoch, Reason: "status 500: no"},
		{ID: "a3.200", Ref: f, Callback: true, State: queue.Buried, Attempts: 1, Published: nativetest.Epoch, Reason: "the callback address answered 404"},
		{ID: "b1", Ref: g, Queue: "slow", State: queue.Leased, Published: nativetest.Epoch},
	} {
		q.Put(l)
	}
}

func TestQueueIsShownToThoseWhoMayReadIt(t *testing.T) {
	s := start(t)
	letters(s.Queue)
	var all api.QueueList
	if err := json.Unmarshal([]byte(s.must(t, "GET", "/v1/queue", "", 200)), &all); err != nil || len(all.Streams) != 3 {
		t.Fatalf("%v %+v", err, all)
	}
	if q := all.Streams[0]; q.Function != "f" || q.Kind != "calls" || q.Waiting != 1 || q.Dead != 1 || q.Oldest == nil || q.Bytes != 10 {
		t.Errorf("%+v", q)
	}
	if q := all.Streams[1]; q.Kind != "callbacks" || q.Queue != "" || q.Dead != 1 || q.Oldest != nil {
		t.Errorf("%+v", q)
	}
	req := s.request(t, "GET", "/v1/queue", "")
	req.SetBasicAuth("team", password(t, s.Dir, "team"))
	if _, body := s.do(t, req); strings.Contains(body, `"g"`) || !strings.Contains(body, `"f"`) {
		t.Errorf("team-a sees %s", body)
	}
	if body := s.must(t, "GET", ofF, "", 200); strings.Contains(body, `"g"`) {
		t.Error(body)
	}
}

func TestDeadLettersAreListedRedrivenAndPurged(t *testing.T) {
	s := start(t)
	letters(s.Queue)
	var dead api.DeadLetterList
	if err := json.Unmarshal([]byte(s.must(t, "GET", ofF+"/dead", "", 200)), &dead); err != nil || len(dead.Letters) != 2 {
		t.Fatalf("%v %+v", err, dead)
	}
	if l := dead.Letters[0]; l.ID != "a2" || l.Kind != "call" || l.Path != "/y" || l.Attempts != 10 || l.Reason != "status 500: no" {
		t.Errorf("%+v", l)
	}
	if dead.Letters[1].Kind != "callback" {
		t.Errorf("%+v", dead.Letters[1])
	}
	if err := json.Unmarshal([]byte(s.must(t, "GET", ofF+"/dead?limit=1", "", 200)), &dead); err != nil || len(dead.Letters) != 1 {
		t.Errorf("limit: %v %+v", err, dead)
	}
	for _, row := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", ofF + "/dead?limit=-1", "", 400},
		{"POST", ofF + "/redrive", `{}`, 400},
		{"POST", ofF + "/redrive", `{"all":true,"ids":["a2"]}`, 400},
		{"POST", ofF + "/redrive", `{"ids":["nobody"]}`, 404},
		{"POST", ofF + "/purge", `{"state":"some"}`, 400},
		{"POST", ofF + "/purge", `{"ids":["nobody"]}`, 404},
		{"DELETE", "/v1/calls/nobody", "", 404},
	} {
		s.fails(t, row.method, row.path, row.body, row.status)
	}
	for _, row := range []struct{ path, body, want string }{
		{"/redrive", `{"ids":["a2"]}`, `{"count":1}`},
		{"/purge", `{}`, `{"count":1}`},
		{"/purge", `{"state":"all"}`, `{"count":2}`},
		{"/redrive", `{"all":true}`, `{"count":0}`},
	} {
		if body := s.must(t, "POST", ofF+row.path, row.body, 200); strings.TrimSpace(body) != row.want {
			t.Errorf("%s %s: %s, want %s", row.path, row.body, body, row.want)
		}
	}
}

func TestCallsAreCancelledByThoseWhoMay(t *testing.T) {
	s := start(t)
	letters(s.Queue)
	req := s.request(t, "DELETE", "/v1/calls/b1", "")
	req.SetBasicAuth("team", password(t, s.Dir, "team"))
	if resp, body := s.do(t, req); resp.StatusCode != 403 {
		t.Errorf("in another namespace: %d %s", resp.StatusCode, body)
	}
	s.must(t, "DELETE", "/v1/calls/a%2F1", "", 204)
	s.fails(t, "DELETE", "/v1/calls/a%2F1", "", 404)
}
