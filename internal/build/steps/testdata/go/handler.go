package function

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"
)

func Handle(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		fmt.Fprintln(w, "hello")
	case "/echo":
		io.Copy(w, r.Body)
	case "/json":
		_, left := r.Context().Deadline()
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{
			"method": r.Method, "path": r.URL.Path, "a": r.FormValue("a"), "header": r.Header.Get("X-Test"),
			"call": r.Header.Get("X-Call-Id"), "function": os.Getenv("ROUSE_FUNCTION"), "left": left,
		})
	case "/status":
		w.Header().Set("X-Made", "yes")
		w.Header().Set("Content-Type", "text/x-made")
		w.WriteHeader(201)
		fmt.Fprintln(w, "made")
	case "/stream", "/late":
		for i := range 3 {
			fmt.Fprintf(w, "line %d\n", i)
			w.(http.Flusher).Flush()
		}
		if r.URL.Path == "/late" {
			panic("late")
		}
	case "/boom":
		var nothing map[string]int
		if r.Header.Get("X-Nil") != "" {
			nothing["a"] = 1
		}
		panic("boom")
	case "/count":
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	case "/log":
		slog.WarnContext(r.Context(), "logged 1")
	case "/wait":
		fmt.Println("waiting")
		time.Sleep(300 * time.Millisecond)
		fmt.Fprint(w, "waited")
	case "/header":
		w.Header().Set("X-Bad", "a\r\nX-Injected: b")
	case "/none":
	default:
		w.WriteHeader(404)
		fmt.Fprintln(w, "no such thing")
	}
}
