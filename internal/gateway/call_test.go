package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/fn"
)

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, body)
}

// protocols runs a test through both front ends.
func protocols(t *testing.T, r *rig, f func(t *testing.T, c *http.Client)) {
	t.Run("http1", func(t *testing.T) { f(t, r.client()) })
	t.Run("h2c", func(t *testing.T) { f(t, r.clientH2()) })
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func TestACallReachesTheFunctionAndItsAnswerComesBack(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"echo": handler(echo)}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		for _, tc := range []struct{ path, want string }{
			{"/function/echo", "GET / "},
			{"/function/echo/", "GET / "},
			{"/function/echo.default", "GET / "},
			{"/function/echo?a=b", "GET /?a=b "},
			{"/function/echo/a%2Fb/../c?x=%20#frag", "GET /a%2Fb/../c?x=%20 "},
			{"/function/echo//double", "GET //double "},
		} {
			res, body := get(t, c, r.url+tc.path)
			if res.StatusCode != 200 || body != tc.want {
				t.Errorf("%s: %d %q, want 200 %q", tc.path, res.StatusCode, body, tc.want)
			}
			inv := r.record()
			if id := res.Header.Get("X-Call-Id"); id != inv.ID.String() {
				t.Errorf("X-Call-Id %q, recorded %s", id, inv.ID)
			}
			if inv.Status != 200 || inv.Revision.String() != "default/echo" || inv.Out != int64(len(body)) || inv.Cause != "" {
				t.Errorf("record %+v", inv)
			}
		}
	})
}

func TestAFunctionAnswersAtItsHostName(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"echo": handler(echo)}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		for host, want := range map[string]string{
			"echo.default.rouse.test":      "GET /function/other?x ",
			"ECHO.default.Rouse.Test:8080": "GET /function/other?x ",
		} {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", r.url+"/function/other?x", nil)
			req.Host = host
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if string(body) != want {
				t.Errorf("host %s: %q, want %q", host, body, want)
			}
		}
	})
}

func TestWhatNamesNoFunctionIsRefusedWithAReason(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"echo": handler(echo)}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		for _, path := range []string{
			"/function/nope", "/function/", "/function/ECHO", "/function/ech%6f", "/function/..%2fecho", "/function/echo.",
			"/function/.default", "/function/echo.default.x", "/function/%2e%2e/echo", "/function/-echo", "/function/echo%00",
			"/function/" + strings.Repeat("a", 64),
		} {
			res, body := get(t, c, r.url+path)
			var e api.ErrorBody
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				t.Fatalf("%s: %q: %v", path, body, err)
			}
			if res.StatusCode != 404 || e.Error.Cause != "no-such-function" || e.Error.Kind != string(fn.NotFound) ||
				res.Header.Get("X-Rouse-Phase") != "route" || res.Header.Get("X-Call-Id") != e.Error.CallID || e.Error.CallID == "" {
				t.Errorf("%s: %d %v %+v", path, res.StatusCode, res.Header, e.Error)
			}
			if inv := r.record(); inv.Status != 404 || inv.Revision.Name != "" {
				t.Errorf("%s: recorded %+v", path, inv)
			}
		}
	})
}

func TestFieldsOfThePlatformCannotBeForged(t *testing.T) {
	seen := make(chan http.Header, 1)
	r := newRig(t, rigConfig{functions: map[string]function{"f": handler(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Clone()
		w.Header().Set("X-Rouse-Cause", "forged")
		w.Header().Set("X-Call-Id", "forged")
		w.Header().Set("X-Start-Time", "forged")
		w.Header().Set("X-Own", "kept")
	})}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", r.url+"/function/f", nil)
		for _, name := range []string{
			"X-Rouse-Admin", "X-Start-Time", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-User",
			"Forwarded", "X-Real-Ip", "X_Forwarded_For", "X_rouse_admin", "x_call-id", "Proxy-Authorization", "Keep-Alive",
		} {
			req.Header[name] = []string{"forged"}
		}
		req.Header.Set("X-Own", "kept")
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		h := <-seen
		for name, values := range h {
			if strings.Contains(strings.Join(values, ""), "forged") {
				t.Errorf("the function got %s: %v", name, values)
			}
		}
		if h.Get("X-Forwarded-For") != "127.0.0.1" || h.Get("X-Forwarded-Host") != r.addr || h.Get("X-Forwarded-Proto") != "http" ||
			h.Get("X-Own") != "kept" || h.Get("X-Call-Id") != res.Header.Get("X-Call-Id") {
			t.Errorf("the function got %v", h)
		}
		if res.Header.Get("X-Rouse-Cause") != "" || len(res.Header["X-Call-Id"]) != 1 || len(res.Header["X-Start-Time"]) != 1 || res.Header.Get("X-Own") != "kept" {
			t.Errorf("the client got %v", res.Header)
		}
	})
}
