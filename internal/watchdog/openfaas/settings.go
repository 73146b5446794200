package openfaas

import (
	"net/url"
	"os/exec"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Modes of of-watchdog.
const (
	modeHTTP        = "http"
	modeStreaming   = "streaming"
	modeSerializing = "serializing"
	modeStatic      = "static"
)

// settings is what the variables say; docs/watchdog.md names each.
type settings struct {
	contract Contract
	mode     string   // "" for the classic watchdog
	program  string   // path of fprocess; "" for static
	argv     []string // fprocess
	upstream *url.URL // http mode only

	port, metricsPort                          int
	readTimeout, writeTimeout, execTimeout     time.Duration // 0: none
	drainWait                                  time.Duration // healthcheck_interval
	maxInflight                                int           // 0: no limit
	contentType                                string
	bufferBody                                 bool
	prefixLogs, logCallID, logRequests         bool
	maxLine                                    int
	ready                                      *url.URL // path and query of ready_path; nil: none
	staticPath                                 string
	lock                                       string // the lock file; "": none
	writeDebug, cgi, marshal, debugHeads, both bool   // classic only; both: standard error is output too
}

const defaultTimeout = 30 * time.Second

// readSettings reads the variables of a contract. All mistakes are told at
// once.
func readSettings(c Contract, env []string) (*settings, error) {
	v := variables(env)
	s := &settings{
		contract:     c,
		port:         v.number("port", 8080, 1, 65535),
		metricsPort:  v.number("metrics_port", 8081, 1, 65535),
		readTimeout:  v.duration("read_timeout", defaultTimeout),
		writeTimeout: v.duration("write_timeout", defaultTimeout),
		maxInflight:  v.number("max_inflight", 0, 0, 1<<30),
		logRequests:  v.flag("log_requests", true),
	}
	s.drainWait = v.duration("healthcheck_interval", s.writeTimeout)
	if !v.flag("suppress_lock", false) {
		s.lock = lockFile(v)
	}
	var ms fn.Mistakes
	if s.writeTimeout == 0 {
		ms.Add("write_timeout", "must be more than 0")
	}
	if v.flag("jwt_auth", false) {
		ms.Add("jwt_auth", "is not there yet: the function would be open to everybody, so it is not served")
	}
	if c == Classic {
		s.readClassic(v)
	} else {
		s.readOf(v, &ms)
	}
	if s.mode != modeStatic {
		s.findProgram(v, &ms)
	}
	return s, ms.Err()
}

func (s *settings) readClassic(v variablesOf) {
	s.execTimeout = v.duration("exec_timeout", 0)
	s.contentType = v["content_type"]
	s.writeDebug = v.flag("write_debug", false)
	s.cgi = v.flag("cgi_headers", true)
	s.marshal = v.flag("marshal_request", false)
	s.debugHeads = v.flag("debug_headers", false)
	s.both = v.flag("combine_output", true)
	s.prefixLogs, s.maxLine = true, defaultMaxLine
}

func (s *settings) readOf(v variablesOf, ms *fn.Mistakes) {
	s.execTimeout = v.duration("exec_timeout", defaultTimeout)
	s.contentType = v.text("application/octet-stream", "content_type")
	s.bufferBody = v.flag("http_buffer_req_body", false) || v.flag("buffer_http", false)
	s.prefixLogs = v.flag("prefix_logs", true)
	s.maxLine = v.lineLength()
	s.logCallID = v.flag("log_callid", false) || v.flag("log_call_id", false)
	s.ready = readyPath(v, ms)
	s.staticPath = v.text("/home/app/public", "static_path")
	s.cgi = true
	switch s.mode = v.text(modeStreaming, "mode"); s.mode {
	case modeHTTP:
		s.readUpstream(v, ms)
	case modeStreaming, modeSerializing, modeStatic:
	case "inproc":
		ms.Add("mode", "inproc is for programs that have a watchdog as a library; use http")
	case "afterburn":
		ms.Add("mode", "afterburn is gone; use http")
	default:
		ms.Add("mode", "there is no mode %q; use http, streaming, serializing or static", s.mode)
	}
}

// readyPath reads ready_path, with or without its first slash.
func readyPath(v variablesOf, ms *fn.Mistakes) *url.URL {
	text := v["ready_path"]
	if text == "" {
		return nil
	}
	u, err := url.ParseRequestURI("/" + strings.TrimPrefix(text, "/"))
	if err != nil {
		ms.Add("ready_path", "must be a path, got %q", text)
		return nil
	}
	return u
}

func (s *settings) readUpstream(v variablesOf, ms *fn.Mistakes) {
	text := v.text("", "http_upstream_url", "upstream_url")
	if text == "" {
		ms.Add("upstream_url", "mode http needs the address of the function's own server, as in http://127.0.0.1:5000")
		return
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		ms.Add("upstream_url", "must be an address as in http://127.0.0.1:5000, got %q", text)
		return
	}
	s.upstream = u
}

// findProgram reads fprocess, which is split at every single space: there are
// no quotes, and two spaces make an empty argument.
func (s *settings) findProgram(v variablesOf, ms *fn.Mistakes) {
	command := v["fprocess"]
	if s.contract == OfWatchdog {
		command = v.text(command, "function_process")
	}
	if command == "" {
		ms.Add("fprocess", "names no program")
		return
	}
	s.argv = strings.Split(command, " ")
	var err error
	if s.program, err = exec.LookPath(s.argv[0]); err != nil {
		ms.Add("fprocess", "%v", err)
	}
}
