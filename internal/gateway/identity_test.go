package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sees is a function that tells what it got in a field.
func sees(field string) function {
	return handler(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Join(r.Header.Values(field), "|"))
	})
}

func TestACallersIdIsKept(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"f": sees("X-Call-Id")}})
	const uuid = "0190c1a2-7b3c-4d5e-8f60-718293a4b5c6"
	protocols(t, r, func(t *testing.T, c *http.Client) {
		for _, tc := range []struct {
			name     string
			sent     []string
			kept     bool
			recorded bool
		}{
			{"a UUID is the call's id", []string{uuid}, true, true},
			{"anything else that is harmless is passed on", []string{"order-17:2/x"}, true, false},
			{"the longest there is", []string{strings.Repeat("a", maxLabel)}, true, false},
			{"too long", []string{strings.Repeat("a", maxLabel+1)}, false, false},
			{"spaces", []string{"a b"}, false, false},
			{"quotes", []string{`a"b`}, false, false},
			{"empty", []string{""}, false, false},
			{"two are one too many", []string{uuid, uuid}, false, false},
		} {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", r.url+"/function/f", nil)
			req.Header["X-Call-Id"] = tc.sent
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			got, inv := res.Header.Get("X-Call-Id"), r.record()
			if got != string(body) || got == "" {
				t.Errorf("%s: the caller got %q, the function %q", tc.name, got, body)
			}
			if (got == tc.sent[0]) != tc.kept {
				t.Errorf("%s: sent %q, got %q", tc.name, tc.sent, got)
			}
			if !tc.kept && got != inv.ID.String() || (inv.ID.String() == uuid) != tc.recorded {
				t.Errorf("%s: recorded as %s, got %q", tc.name, inv.ID, got)
			}
		}
	})
}

func TestResponsesSayWhenTheCallArrivedAndWhoAnswered(t *testing.T) {
	r := newRig(t, rigConfig{
		functions: map[string]function{"f": sees("X-Start-Time"), "own": handler(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Served-By", "me")
		})},
		config: func(c *Config) { c.Product = "rouse/1.2.3" },
	})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		before := time.Now()
		res, seen := get(t, c, r.url+"/function/f")
		ns, err := strconv.ParseInt(res.Header.Get("X-Start-Time"), 10, 64)
		if at := time.Unix(0, ns); err != nil || at.Before(before.Add(-time.Second)) || at.After(time.Now()) || seen != res.Header.Get("X-Start-Time") {
			t.Errorf("X-Start-Time %q, the function got %q", res.Header.Get("X-Start-Time"), seen)
		}
		if by := res.Header.Values("X-Served-By"); len(by) != 1 || by[0] != "rouse/1.2.3" {
			t.Errorf("X-Served-By %q", by)
		}
		if res, _ := get(t, c, r.url+"/function/own"); strings.Join(res.Header.Values("X-Served-By"), "|") != "me" {
			t.Errorf("the function's own X-Served-By became %q", res.Header.Values("X-Served-By"))
		}
		if res.Header.Get("X-OpenFaaS-Internal") != "" {
			t.Error("a function's answer is said to be the platform's")
		}
		res, _ = get(t, c, r.url+"/function/nope")
		if res.Header.Get("X-OpenFaaS-Internal") != "gateway" || res.Header.Get("X-Start-Time") == "" || res.Header.Get("X-Served-By") != "rouse/1.2.3" {
			t.Errorf("the platform's own answer: %v", res.Header)
		}
	})
}

func TestUnusualMethodsAreForHostNamesOnly(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"echo": handler(echo)}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		for _, tc := range []struct {
			method, host string
			want         int
		}{
			{"PATCH", "", 200}, {"DELETE", "", 200}, {"OPTIONS", "", 200}, {"HEAD", "", 200},
			{"TRACE", "", 405}, {"PROPFIND", "", 405}, {"PROPFIND", "echo.default.rouse.test", 200},
		} {
			req, _ := http.NewRequestWithContext(t.Context(), tc.method, r.url+"/function/echo", nil)
			req.Host = tc.host
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != tc.want {
				t.Errorf("%s at host %q: %d, want %d", tc.method, tc.host, res.StatusCode, tc.want)
			}
		}
	})
}

func TestACallFromInsideIsLikeAnyOther(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"echo": handler(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, body, r.Header.Get("X-Forwarded-For"))
	})}})
	req := httptest.NewRequestWithContext(t.Context(), "POST", "http://rouse/function/echo.default/a%2Fb?c=d", strings.NewReader("body"))
	req.Header.Set("X-Forwarded-For", "192.0.2.1")
	w := httptest.NewRecorder()
	r.srv.Invoke(w, req)
	if w.Code != 200 || w.Body.String() != "POST /a%2Fb?c=d body 192.0.2.1" || w.Header().Get("X-Call-Id") == "" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	if inv := r.record(); inv.Status != 200 || inv.Revision.Name != "echo" {
		t.Errorf("recorded %+v", inv)
	}
	w = httptest.NewRecorder()
	r.srv.Invoke(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://rouse/v1/info", nil))
	if w.Code != 404 {
		t.Errorf("what is no call of a function: %d", w.Code)
	}
}
