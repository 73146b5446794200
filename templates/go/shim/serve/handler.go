//go:build go1.23

package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
)

var (
	contextType = reflect.TypeFor[context.Context]()
	errorType   = reflect.TypeFor[error]()
)

// Handler adapts what a function may export as Handle:
//
//	func(http.ResponseWriter, *http.Request)
//	any http.Handler
//	func([context.Context,] [In]) ([Out,] [error])
//
// In is []byte, string, io.Reader, *http.Request, or anything JSON decodes
// into. Out is []byte, string, io.Reader, an iterator over either of the
// first two (func(yield func(T) bool)), or anything JSON can say; with a
// method StatusCode() int or Header() http.Header it, like an error, chooses
// those too.
func Handler(handler any) (http.Handler, error) {
	switch h := handler.(type) {
	case func(http.ResponseWriter, *http.Request):
		return guard(h), nil
	case http.Handler:
		return guard(h.ServeHTTP), nil
	}
	c := call{fn: reflect.ValueOf(handler)}
	if !c.understand() {
		return nil, fmt.Errorf("Handle is a %T: want func(http.ResponseWriter, *http.Request) or func(context.Context, In) (Out, error)", handler)
	}
	return guard(c.serve), nil
}

// call is a handler function taken apart.
type call struct {
	fn        reflect.Value
	ctx       bool
	in        reflect.Type // nil if it takes none
	out, fail bool
}

func (c *call) understand() bool {
	if c.fn.Kind() != reflect.Func || c.fn.Type().IsVariadic() {
		return false
	}
	t := c.fn.Type()
	i, o := 0, 0
	if i < t.NumIn() && t.In(i) == contextType {
		c.ctx, i = true, i+1
	}
	if i < t.NumIn() {
		c.in, i = t.In(i), i+1
	}
	if o < t.NumOut() && t.Out(o) != errorType {
		c.out, o = true, o+1
	}
	if o < t.NumOut() && t.Out(o) == errorType {
		c.fail, o = true, o+1
	}
	return i == t.NumIn() && o == t.NumOut()
}

func (c *call) serve(w http.ResponseWriter, r *http.Request) {
	var args []reflect.Value
	if c.ctx {
		args = append(args, reflect.ValueOf(r.Context()))
	}
	if c.in != nil {
		in, err := input(c.in, r)
		if err != nil {
			fail(w, http.StatusBadRequest, err.Error(), "input")
			return
		}
		args = append(args, in)
	}
	results := c.fn.Call(args)
	if c.fail {
		if err, _ := results[len(results)-1].Interface().(error); err != nil {
			answerError(w, r, err)
			return
		}
	}
	var out any
	if c.out {
		out = results[0].Interface()
	}
	if err := answer(w, out); err != nil {
		answerError(w, r, err)
	}
}

// input reads the request body as the handler wants it.
func input(t reflect.Type, r *http.Request) (reflect.Value, error) {
	switch {
	case t == reflect.TypeFor[*http.Request]():
		return reflect.ValueOf(r), nil
	case t == reflect.TypeFor[io.Reader](), t == reflect.TypeFor[io.ReadCloser]():
		return reflect.ValueOf(r.Body), nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return reflect.Value{}, fmt.Errorf("reading the body: %w", err)
	}
	v := reflect.New(t)
	switch {
	case t.Kind() == reflect.String:
		v.Elem().SetString(string(body))
	case t == reflect.TypeFor[[]byte]():
		v.Elem().SetBytes(body)
	case len(body) == 0: // the zero value
	default:
		if err := json.Unmarshal(body, v.Interface()); err != nil {
			return reflect.Value{}, fmt.Errorf("the body is not the JSON this function wants: %w", err)
		}
	}
	return v.Elem(), nil
}

// answerError answers with the error's own status, 500 if it has none.
func answerError(w http.ResponseWriter, r *http.Request, err error) {
	complain(r.Context(), err.Error())
	status := http.StatusInternalServerError
	var coded interface{ StatusCode() int }
	if errors.As(err, &coded) {
		status = coded.StatusCode()
	}
	if t, ok := w.(*tracker); ok && t.began {
		panic(http.ErrAbortHandler) // cut off: the caller must not take it for whole
	}
	fail(w, status, err.Error(), fmt.Sprintf("%T", err))
}

func fail(w http.ResponseWriter, status int, message, kind string) {
	clear(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": message, "type": kind})
}
