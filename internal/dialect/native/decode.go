package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// decode reads a JSON body of at most maxBody bytes into dst, a pointer to a
// struct. Unknown fields and wrong types are refused, all at once.
func decode(w http.ResponseWriter, r *http.Request, dst any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fn.Errorf(fn.TooLarge, "the request is larger than %s", fn.FormatBytes(maxBody))
	}
	if err != nil {
		return fn.Errorf(fn.Canceled, "reading the request: %w", err)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return fn.WithHint(fn.Errorf(fn.Invalid, "the request has no body"), "send a JSON object; /openapi.json says which")
	}
	var tree any
	if err := json.Unmarshal(body, &tree); err != nil {
		return fn.Errorf(fn.Invalid, "the body is not JSON: %v", err)
	}
	var ms fn.Mistakes
	checkShape(&ms, "", tree, reflect.TypeOf(dst).Elem())
	if err := ms.Err(); err != nil {
		return err
	}
	if err := json.Unmarshal(body, dst); err != nil { // numbers out of range
		return fn.Errorf(fn.Invalid, "the body cannot be read: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// checkShape notes where a JSON value does not fit a type.
func checkShape(ms *fn.Mistakes, path string, v any, t reflect.Type) {
	if t.Kind() == reflect.Pointer {
		if v == nil {
			return
		}
		t = t.Elem()
	}
	ok := true
	switch t.Kind() {
	case reflect.String:
		_, ok = v.(string)
	case reflect.Bool:
		_, ok = v.(bool)
	case reflect.Int, reflect.Int64:
		n, isNumber := v.(float64)
		ok = isNumber && n == float64(int64(n))
	case reflect.Float64:
		_, ok = v.(float64)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 { // read as text; the decoder judges it
			_, isText := v.(string)
			ok = isText || v == nil
			break
		}
		list, isList := v.([]any)
		ok = isList || v == nil
		for i, item := range list {
			checkShape(ms, fmt.Sprintf("%s[%d]", path, i), item, t.Elem())
		}
	case reflect.Map:
		object, isObject := v.(map[string]any)
		ok = isObject || v == nil
		for _, key := range slices.Sorted(maps.Keys(object)) {
			checkShape(ms, join(path, clip(key)), object[key], t.Elem())
		}
	case reflect.Struct:
		checkStruct(ms, path, v, t)
	}
	if !ok {
		ms.Add(orBody(path), "must be %s", jsonName(t))
	}
}

func checkStruct(ms *fn.Mistakes, path string, v any, t reflect.Type) {
	if t.PkgPath() == "time" { // read as text; the decoder judges it
		if _, ok := v.(string); !ok {
			ms.Add(orBody(path), "must be a time, such as 2026-01-31T12:00:00Z")
		}
		return
	}
	object, ok := v.(map[string]any)
	if !ok {
		ms.Add(orBody(path), "must be an object")
		return
	}
	known := map[string]reflect.Type{}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = field.Type
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		ft, ok := known[key]
		if !ok {
			ms.Add(join(path, clip(key)), "is not a known field: there are %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			continue
		}
		checkShape(ms, join(path, key), object[key], ft)
	}
}

func jsonName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes in base64"
		}
		return "a list"
	case reflect.Map:
		return "an object"
	default:
		return "a whole number"
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func orBody(path string) string {
	if path == "" {
		return "the body"
	}
	return path
}
