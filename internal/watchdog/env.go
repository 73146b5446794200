package watchdog

import (
	"slices"
	"strconv"
	"strings"

	"rouse.dev/rouse/internal/watchdog/fork"
)

// requestEnv adds one request's variables to those every run starts from.
func (c *call) requestEnv() []string {
	r := c.r
	env := append(slices.Clip(c.env),
		"Http_Method="+r.Method, "Http_Path="+r.URL.Path, "Http_Query="+r.URL.RawQuery, "Http_Host="+r.Host)
	if id := c.id(); id != "" {
		env = append(env, "CallId="+id)
	}
	if r.ContentLength > 0 && r.Header.Get("Content-Length") == "" {
		env = append(env, "Http_Content_Length="+strconv.FormatInt(r.ContentLength, 10))
	}
	for name, values := range r.Header {
		if key, ok := fork.Variable(name); ok {
			env = append(env, key+"="+strings.Join(values, ", "))
		}
	}
	return fork.WithoutNUL(env)
}
