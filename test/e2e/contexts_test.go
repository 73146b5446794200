package e2e

import (
	"archive/zip"
	"bytes"
	"io"
	"maps"
	"slices"
	"testing"
)

// context is a folder as faas-cli makes it of a template, and what it answers.
type buildContext struct {
	files map[string]string
	calls []contextCall
}

type contextCall struct {
	path, body string
	status     int
	want, kind string
}

const ofWatchdog = "FROM --platform=${TARGETPLATFORM:-linux/amd64} ghcr.io/openfaas/of-watchdog:0.11.6 AS watchdog\n"

// contexts has one for each way templates are made; the texts are ours.
func contexts(t *testing.T) map[string]buildContext {
	t.Helper()
	return map[string]buildContext{
		"python3-http":      pythonHTTP(t),
		"python3-flask":     pythonFlask(t),
		"node22":            node22(),
		"golang-http":       golangHTTP(),
		"golang-middleware": golangMiddleware(),
		"bash-streaming":    bashStreaming(),
		"dockerfile":        plainDockerfile(),
		"static":            static(),
		"no-watchdog":       noWatchdog(t),
	}
}

// wheelOf makes a Python package with one module.
func wheelOf(t *testing.T, name, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	files := map[string]string{
		name + ".py":                     text,
		name + "-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n",
		name + "-1.0.dist-info/WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		name + "-1.0.dist-info/RECORD":   name + ".py,,\n",
	}
	for _, file := range slices.Sorted(maps.Keys(files)) { // the same bytes every time
		w, err := z.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[file]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const pythonServer = `import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def serve(answer, port=5000):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, out = answer(self.command, self.path, body)
            out = out.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)
        do_GET = do_POST = answer
    ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
`

// pythonHTTP has packages of the template and of the handler.
func pythonHTTP(t *testing.T) buildContext {
	return buildContext{
		files: map[string]string{
			"Dockerfile": ofWatchdog + `FROM --platform=${TARGETPLATFORM:-linux/amd64} python:3.12-alpine AS build
COPY --from=watchdog /fwatchdog /usr/bin/fwatchdog
RUN chmod +x /usr/bin/fwatchdog
ENV PATH=$PATH:/home/app/.local/bin
WORKDIR /home/app/
COPY index.py           .
COPY requirements.txt   .
RUN pip install --user -r requirements.txt
RUN mkdir -p function && touch ./function/__init__.py
WORKDIR /home/app/function/
RUN pip install --user -r requirements.txt
FROM build AS ship
WORKDIR /home/app/
USER app
ENV fprocess="python index.py"
ENV cgi_headers="true"
ENV mode="http"
ENV upstream_url="http://127.0.0.1:5000"
HEALTHCHECK --interval=5s CMD [ -e /tmp/.lock ] || exit 1
CMD ["fwatchdog"]
`,
			"template.yml": "language: python3-http\nfprocess: python index.py\n",
			"index.py": `import os
import tiny_server
from function import handler

class Event: pass

def answer(method, path, body):
    event = Event()
    event.method, event.path, event.body = method, path, body
    response = handler.handle(event, {"hostname": os.uname().nodename})
    return response["statusCode"], response["body"]

tiny_server.serve(answer)
`,
			"requirements.txt":                                "--no-index\n./packages/tiny_server-1.0-py3-none-any.whl\n",
			"packages/tiny_server-1.0-py3-none-any.whl":       wheelOf(t, "tiny_server", pythonServer),
			"function/__init__.py":                            "",
			"function/requirements.txt":                       "--no-index\n./packages/shouting-1.0-py3-none-any.whl\n",
			"function/packages/shouting-1.0-py3-none-any.whl": wheelOf(t, "shouting", "def shout(text):\n    return text.upper() + '!'\n"),
			"function/handler.py": `import os
import shouting

def handle(event, context):
    return {"statusCode": 201, "body": "%s %s %s %s" % (event.method, event.path, os.environ["greeting"], shouting.shout(event.body.decode()))}
`,
		},
		calls: []contextCall{{"/a?b=c", "there", 201, "POST /a?b=c hi THERE!", "text/plain"}},
	}
}

// pythonFlask has a handler that returns text, and an empty list of packages.
func pythonFlask(t *testing.T) buildContext {
	c := pythonHTTP(t)
	c.files["function/requirements.txt"] = ""
	c.files["index.py"] = "import tiny_server\nfrom function import handler\n\ntiny_server.serve(lambda method, path, body: (200, handler.handle(body.decode())))\n"
	c.files["function/handler.py"] = "def handle(req):\n    return 'flask ' + req\n"
	c.calls = []contextCall{{"/", "there", 200, "flask there", ""}}
	return c
}

func node22() buildContext {
	return buildContext{
		files: map[string]string{
			"Dockerfile": ofWatchdog + `FROM --platform=${TARGETPLATFORM:-linux/amd64} node:22-alpine AS ship
COPY --from=watchdog /fwatchdog /usr/bin/fwatchdog
ENV NPM_CONFIG_LOGLEVEL warn
WORKDIR /home/app
COPY package.json ./
RUN npm i
COPY . ./
WORKDIR /home/app/
ENV cgi_headers="true" fprocess="node index.js" mode="http"
ENV upstream_url="http://127.0.0.1:3000" exec_timeout="10s" \
    write_timeout="15s" read_timeout="15s"
CMD ["fwatchdog"]
`,
			"package.json":               `{"name":"faas-node","version":"1.0.0","main":"index.js","dependencies":{"tiny":"file:./tiny"}}`,
			"tiny/package.json":          `{"name":"tiny","version":"1.0.0"}`,
			"tiny/index.js":              "exports.listen = (port, answer) => require('node:http').createServer((req, res) => {\n  let body = '';\n  req.on('data', (d) => { body += d; }).on('end', () => answer(req, body, res));\n}).listen(port);\n",
			"index.js":                   "const tiny = require('tiny');\nconst handler = require('./function/handler');\ntiny.listen(3000, async (req, body, res) => {\n  const out = await handler({ body, path: req.url, headers: req.headers }, {});\n  res.writeHead(out.status, { 'Content-Type': 'application/json' }).end(JSON.stringify(out.body));\n});\n",
			"function/package.json":      `{"name":"function","version":"1.0.0","dependencies":{"left":"file:./left"}}`,
			"function/left/package.json": `{"name":"left","version":"1.0.0"}`,
			"function/left/index.js":     "module.exports = (s) => s.padStart(8);\n",
			"function/handler.js":        "'use strict';\nconst left = require('left');\nmodule.exports = async (event, context) => ({ status: 202, body: { got: left(event.body), path: event.path, greeting: process.env.greeting } });\n",
		},
		calls: []contextCall{{"/x", "abc", 202, `{"got":"     abc","path":"/x","greeting":"hi"}`, "application/json"}},
	}
}

const goDockerfile = ofWatchdog + `FROM --platform=${BUILDPLATFORM:-linux/amd64} golang:1.25-alpine AS build
ARG GO111MODULE="on"
ARG CGO_ENABLED=0
ENV CGO_ENABLED=${CGO_ENABLED}
COPY --from=watchdog /fwatchdog /usr/bin/fwatchdog
WORKDIR /go/src/handler
COPY . .
RUN go build --ldflags "-s -w" -o handler .
FROM --platform=${TARGETPLATFORM:-linux/amd64} alpine:3.22 AS ship
WORKDIR /home/app
COPY --from=build --chown=app /go/src/handler/handler    .
COPY --from=build --chown=app /usr/bin/fwatchdog         .
ENV fprocess="./handler"
ENV mode="http"
ENV upstream_url="http://127.0.0.1:8082"
ENV prefix_logs="false"
CMD ["./fwatchdog"]
`

func golangHTTP() buildContext {
	return buildContext{
		files: map[string]string{
			"Dockerfile":          goDockerfile,
			"go.mod":              "module handler\n\ngo 1.22\n\nreplace handler/function => ./function\n\nrequire handler/function v0.0.0-00010101000000-000000000000\n",
			"main.go":             "package main\n\nimport (\n\t\"io\"\n\t\"log\"\n\t\"net/http\"\n\n\t\"handler/function\"\n)\n\nfunc main() {\n\thttp.HandleFunc(\"/\", func(w http.ResponseWriter, r *http.Request) {\n\t\tbody, _ := io.ReadAll(r.Body)\n\t\tstatus, out := function.Handle(r.Method, body)\n\t\tw.WriteHeader(status)\n\t\tw.Write(out)\n\t})\n\tlog.Fatal(http.ListenAndServe(\":8082\", nil))\n}\n",
			"function/go.mod":     "module handler/function\n\ngo 1.22\n",
			"function/handler.go": "package function\n\nimport \"os\"\n\nfunc Handle(method string, body []byte) (int, []byte) {\n\treturn 203, []byte(method + \" \" + os.Getenv(\"greeting\") + \" \" + string(body))\n}\n",
		},
		calls: []contextCall{{"/", "gopher", 203, "POST hi gopher", ""}},
	}
}

// golangMiddleware has a handler whose module has a name of its own.
func golangMiddleware() buildContext {
	return buildContext{
		files: map[string]string{
			"Dockerfile":          goDockerfile,
			"go.mod":              "module handler\n\ngo 1.22\n",
			"main.go":             "package main\n\nimport (\n\t\"log\"\n\t\"net/http\"\n\n\tfunction \"handler/function\"\n)\n\nfunc main() {\n\thttp.HandleFunc(\"/\", function.Handle)\n\tlog.Fatal(http.ListenAndServe(\":8082\", nil))\n}\n",
			"function/go.mod":     "module github.com/me/shop\n\ngo 1.22\n",
			"function/handler.go": "package function\n\nimport (\n\t\"io\"\n\t\"net/http\"\n)\n\nfunc Handle(w http.ResponseWriter, r *http.Request) {\n\tw.Header().Set(\"Content-Type\", \"x/y\")\n\tio.WriteString(w, r.URL.Path+\" \")\n\tio.Copy(w, r.Body)\n}\n",
		},
		calls: []contextCall{{"/deep/path", "body", 200, "/deep/path body", "x/y"}},
	}
}

func bashStreaming() buildContext {
	return buildContext{
		files: map[string]string{
			"Dockerfile": ofWatchdog + "FROM alpine:3.22\nRUN apk add bash\nCOPY --from=watchdog /fwatchdog /usr/bin/fwatchdog\nWORKDIR /home/app/\nCOPY function function\n" +
				"ENV fprocess=\"bash /home/app/function/handler.sh\"\nENV content_type=text/plain\nCMD [\"fwatchdog\"]\n",
			"function/handler.sh": "echo \"$Http_Method $Http_Path $greeting\"\ncat\n",
		},
		calls: []contextCall{{"/p", "in\n", 200, "POST /p hi\nin\n", "text/plain"}},
	}
}

// plainDockerfile is the template "dockerfile": the folder is the handler's.
func plainDockerfile() buildContext {
	return buildContext{
		files: map[string]string{
			"Dockerfile": "FROM ghcr.io/openfaas/classic-watchdog:0.3.9 as watchdog\nFROM alpine:3.22\nCOPY --from=watchdog /fwatchdog /usr/bin/fwatchdog\n# the program\nENV fprocess=\"wc -c\"\nEXPOSE 8080\nCMD [\"fwatchdog\"]\n",
		},
		calls: []contextCall{{"/", "12345", 200, "5\n", ""}},
	}
}

func static() buildContext {
	return buildContext{
		files: map[string]string{
			"Dockerfile":        ofWatchdog + "FROM alpine\nCOPY --from=watchdog /fwatchdog .\nWORKDIR /home/app\nCOPY public public\nENV mode=static static_path=/home/app/public\nCMD [\"./fwatchdog\"]\n",
			"public/index.html": "<p>hello</p>\n",
			"public/a.txt":      "a\n",
		},
		calls: []contextCall{{"/", "", 200, "<p>hello</p>\n", "text/html; charset=utf-8"}, {"/a.txt", "", 200, "a\n", ""}, {"/b.txt", "", 404, "404 page not found\n", ""}},
	}
}

// noWatchdog is an image that listens on port 8080 by itself.
func noWatchdog(t *testing.T) buildContext {
	c := pythonHTTP(t)
	c.files["Dockerfile"] = "FROM python:3.12-alpine\nWORKDIR /srv\nCOPY . .\nRUN pip install -r requirements.txt\nEXPOSE 8080\nCMD [\"python\", \"/srv/index.py\"]\n"
	c.files["index.py"] = "import tiny_server\n\ntiny_server.serve(lambda method, path, body: (200, method + ' ' + path + ' ' + body.decode()), port=8080)\n"
	c.calls = []contextCall{{"/a", "alone", 200, "POST /a alone", "text/plain"}}
	return c
}
