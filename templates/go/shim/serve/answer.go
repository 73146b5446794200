//go:build go1.23

package serve

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
)

// answer writes what a handler returned. An error comes before anything was
// written, or means that the response must be cut off.
func answer(w http.ResponseWriter, out any) error {
	status := http.StatusOK
	if coded, ok := out.(interface{ StatusCode() int }); ok {
		status = coded.StatusCode()
	}
	if headed, ok := out.(interface{ Header() http.Header }); ok {
		for name, values := range headed.Header() {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
	}
	switch body := out.(type) {
	case nil:
		w.WriteHeader(status)
		return nil
	case string:
		return whole(w, status, "text/plain; charset=utf-8", []byte(body))
	case []byte:
		return whole(w, status, "application/octet-stream", body)
	case io.Reader:
		return copyOut(w, status, body)
	}
	if v := reflect.ValueOf(out); v.Kind() == reflect.Func && v.Type().CanSeq() {
		return iterate(w, status, v)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return whole(w, status, "application/json", body)
}

func whole(w http.ResponseWriter, status int, kind string, body []byte) error {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(status)
	w.Write(body) // fails only when the caller left
	return nil
}

// copyOut streams r, flushing what each read gives.
func copyOut(w http.ResponseWriter, status int, r io.Reader) error {
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	buf := make([]byte, 64<<10)
	for begun := false; ; begun = true {
		n, err := r.Read(buf)
		if err != nil && err != io.EOF {
			return err
		}
		if !begun {
			if w.Header().Get("Content-Type") == "" {
				w.Header().Set("Content-Type", http.DetectContentType(buf[:n]))
			}
			w.WriteHeader(status)
		}
		if !send(w, buf[:n]) || err == io.EOF {
			return nil
		}
	}
}

// iterate streams what an iterator yields and stops it when the caller left.
func iterate(w http.ResponseWriter, status int, seq reflect.Value) error {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	begun := false
	for v := range seq.Seq() {
		part, err := bytesOf(v)
		if err != nil {
			return err
		}
		if !begun {
			w.WriteHeader(status)
			begun = true
		}
		if !send(w, part) {
			return nil
		}
	}
	if !begun {
		w.WriteHeader(status)
	}
	return nil
}

// bytesOf is what one yielded value looks like in the response: text as it
// is, anything else as a line of JSON.
func bytesOf(v reflect.Value) ([]byte, error) {
	switch {
	case v.Kind() == reflect.String:
		return []byte(v.String()), nil
	case v.Type() == reflect.TypeFor[[]byte]():
		return v.Bytes(), nil
	}
	line, err := json.Marshal(v.Interface())
	return append(line, '\n'), err
}

// send writes and flushes; false if the caller left.
func send(w http.ResponseWriter, part []byte) bool {
	if len(part) == 0 {
		return true
	}
	if _, err := w.Write(part); err != nil {
		return false
	}
	return http.NewResponseController(w).Flush() == nil
}
