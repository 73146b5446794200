package fn

import (
	"errors"
	"strings"
	"testing"
)

func TestParseImageFillsInWhatIsLeftOut(t *testing.T) {
	for in, want := range map[string]string{
		"alpine":                           "docker.io/library/alpine:latest",
		"functions/alpine":                 "docker.io/functions/alpine:latest",
		"docker.io/functions/alpine:3":     "docker.io/functions/alpine:3",
		"index.docker.io/a/b":              "docker.io/a/b:latest",
		"ghcr.io/openfaas/alpine:latest":   "ghcr.io/openfaas/alpine:latest",
		"127.0.0.1:5000/x":                 "127.0.0.1:5000/x:latest",
		"localhost/x:1":                    "localhost/x:1",
		"reg.test:443/a/b:v1@sha256:abc":   "reg.test:443/a/b:v1@sha256:abc",
		"a/b@sha256:abc":                   "docker.io/a/b@sha256:abc",
		"rouse.dev/store/nodeinfo:latest":  "rouse.dev/store/nodeinfo:latest",
		"ttl.sh/alex/figlet-0.1:latest-a1": "ttl.sh/alex/figlet-0.1:latest-a1",
	} {
		r, err := ParseImage(in)
		if err != nil || r.String() != want {
			t.Errorf("%s: got %s, %v; want %s", in, r, err, want)
		}
		if again, err := ParseImage(r.String()); err != nil || again != r {
			t.Errorf("%s: its own form gives %+v, %v", in, again, err)
		}
	}
	for _, in := range []string{"", "a b", "a:", "a/", "ghcr.io/", "a@", strings.Repeat("x", MaxImage+1), "a\n"} {
		if r, err := ParseImage(in); !errors.Is(err, Invalid) {
			t.Errorf("%q: got %+v, %v", in, r, err)
		}
	}
}
