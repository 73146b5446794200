package openfaas

import (
	"net/http"
	"slices"
	"strconv"

	"rouse.dev/rouse/internal/watchdog/fork"
)

// requestEnv is the environment of the program that answers a request: what
// the watchdog itself has, and what tells of the request.
func (w *watchdog) requestEnv(r *http.Request) []string {
	if !w.cgi {
		return w.env
	}
	env := append(slices.Clip(w.env), "Http_Method="+r.Method)
	add := func(name, value string) {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	add("Http_Path", r.URL.Path)
	add("Http_Query", r.URL.RawQuery)
	if len(r.TransferEncoding) > 0 {
		add("Http_Transfer_Encoding", r.TransferEncoding[0])
	}
	if w.contract == Classic {
		length := strconv.FormatInt(r.ContentLength, 10)
		add("Http_Host", r.Host)
		add("Http_ContentLength", length)
		add("Http_Content_Length", length)
	}
	for name, values := range r.Header {
		key, ok := fork.Variable(name)
		if ok && len(values) > 0 && !(w.contract == Classic && name == "Content-Length") {
			env = append(env, key+"="+values[0])
		}
	}
	return fork.WithoutNUL(env)
}
