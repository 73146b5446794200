package dockerfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

func TestParseTakesWhatTheLastStageSays(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want Image
	}{
		"both forms of ENV, quotes, several on a line": {
			"FROM scratch\nENV a=b c=\"d e\" f='g $a' h=i\\ j\nENV k l  m\nENV n \"o p\"\nenv q=\"r\\\"s\\n\"\n",
			Image{Env: map[string]string{"a": "b", "c": "d e", "f": "g $a", "h": "i j", "k": "l  m", "n": "o p", "q": `r"s\n`}, Dir: "/"},
		},
		"variables": {
			"ARG BASE=x:1\nFROM $BASE\nARG BASE\nARG port=8082\nENV url=http://127.0.0.1:${port} base=$BASE none=${no:-d$port} some=${port:+yes} two=${no}$ dash=${port:-7}\nENV port=1 same=$port\n",
			Image{Env: map[string]string{
				"url": "http://127.0.0.1:8082", "base": "x:1", "none": "d8082", "some": "yes", "two": "$", "dash": "8082", "port": "1", "same": "8082",
			}, Dir: "/"},
		},
		"stages and a watchdog from one of them": {
			"FROM --platform=${TARGETPLATFORM:-linux/amd64} ghcr.io/openfaas/of-watchdog:0.11.6 AS watchdog\n" +
				"FROM python:3-alpine as build\nCOPY --from=watchdog --chmod=755 /fwatchdog /usr/bin/fwatchdog\nENV fprocess=\"python index.py\"\nWORKDIR /home\nWORKDIR app/\n" +
				"FROM build AS test\nENV mode=test\nFROM build\nENV mode=\"http\"\nCMD [\"fwatchdog\"]\n",
			Image{
				Env: map[string]string{"fprocess": "python index.py", "mode": "http"}, Dir: "/home/app",
				Command: []string{"fwatchdog"}, Watchdog: "ghcr.io/openfaas/of-watchdog:0.11.6",
			},
		},
		"a watchdog straight from its image": {
			"FROM alpine\nCOPY --from=ghcr.io/openfaas/classic-watchdog:0.3 /fwatchdog /usr/bin/\nENTRYPOINT [\"fwatchdog\"]\nCMD cat\n",
			Image{Env: map[string]string{}, Dir: "/", Command: []string{"fwatchdog"}, Watchdog: "ghcr.io/openfaas/classic-watchdog:0.3"},
		},
		"a watchdog by its number, another that is downloaded": {
			"FROM classic-watchdog\nFROM alpine\nCOPY --from=0 /fwatchdog .\nFROM alpine\nRUN curl -sL https://example.test/of-watchdog/releases/1 > /usr/bin/fwatchdog && chmod +x /usr/bin/fwatchdog\n",
			Image{Env: map[string]string{}, Dir: "/", Watchdog: "https://example.test/of-watchdog/releases/1"},
		},
		"comments, continued lines, here-documents": {
			"# syntax=docker/dockerfile:1\n# escape=`\nFROM x\n\n  # ENV no=1\nENV a=1 `\n# between\n\n  b=2\nRUN <<EOF\nENV c=3\nEOF\nRUN x <<-'END' && y\n\tFROM z\n\tEND\nENV d=4\r\n",
			Image{Env: map[string]string{"a": "1", "b": "2", "d": "4"}, Dir: "/"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseRefusesWhatIsNoDockerfile(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "ARG a=b\n", "ENV a=b\nFROM x\n", "{}",
		"FROM x\nENV a=xxxxxxxx\n" + strings.Repeat("ENV a=$a$a\n", 60), strings.Repeat("FROM x\n", 101),
		"FROM x\nARG b=" + strings.Repeat("x", 60000) + "\nENV c=$b\nENV d=$b\n", "FROM x\nENV a=" + strings.Repeat("${b:-", 1000) + strings.Repeat("}", 1000) + "\n",
		"FROM x\nENV a=${" + strings.Repeat("x", 5000) + "\n", "FROM x\nENV a=" + strings.Repeat("${", 500_000) + "\n",
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, fn.Invalid) || !strings.Contains(err.Error(), "Dockerfile") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("FROM a AS b\nENV c=${d:-$e} f='g\\\nFROM b\nCMD [\"h\"]\n")
	f.Fuzz(func(t *testing.T, text string) {
		img, err := Parse([]byte(text))
		if err == nil && (img.Env == nil || !strings.HasPrefix(img.Dir, "/")) {
			t.Errorf("%q: %+v", text, img)
		}
	})
}
