package builder

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// receiveTime is how long a tar may be on its way.
const receiveTime = 5 * time.Minute

// receive spools a request's body to a file without a name and checks its
// signature. The caller closes the file.
func (a *API) receive(w http.ResponseWriter, r *http.Request) (*os.File, error) {
	if len(a.Secret) == 0 {
		return nil, fn.WithHint(fn.Errorf(fn.NotFound, "this server takes no builds"), "name a file with the payload secret in openfaas.builderSecret")
	}
	want, err := signature(r.Header.Get("X-Build-Signature"))
	if err != nil {
		return nil, err
	}
	if r.ContentLength > a.Upload {
		return nil, tooLarge(a.Upload)
	}
	select {
	case a.receiving <- struct{}{}:
		defer func() { <-a.receiving }()
	default:
		return nil, fn.Errorf(fn.Exhausted, "%d builds are on their way in already", receivers)
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(receiveTime)) // a connection that has none is its server's to bound
	f, err := a.spool(http.MaxBytesReader(w, r.Body, a.Upload), want)
	if err == nil {
		_ = rc.SetReadDeadline(time.Time{}) // else the build ends with it: net/http reads on, to see the caller leave
	}
	return f, err
}

// spool writes a tar to a file and compares its signature.
func (a *API) spool(body io.Reader, want []byte) (_ *os.File, err error) {
	f, err := os.CreateTemp(a.Tmp, "build-")
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "receiving a build: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := os.Remove(f.Name()); err != nil {
		return nil, fn.Errorf(fn.Internal, "receiving a build: %w", err)
	}
	sum := hmac.New(sha256.New, a.Secret)
	if _, err := io.Copy(io.MultiWriter(f, sum), body); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge(a.Upload)
		}
		return nil, fn.Errorf(fn.Canceled, "receiving a build: %w", err)
	}
	if !hmac.Equal(want, sum.Sum(nil)) {
		return nil, fn.WithHint(fn.Errorf(fn.Unauthenticated, "the build is not signed with this server's payload secret"),
			"use the secret in the file that openfaas.builderSecret names")
	}
	return f, nil
}

func tooLarge(limit int64) error {
	return fn.Errorf(fn.TooLarge, "the build context is larger than %s", fn.FormatBytes(limit))
}

// signature reads the header X-Build-Signature.
func signature(header string) ([]byte, error) {
	text, ok := strings.CutPrefix(header, "sha256=")
	sum, err := hex.DecodeString(text)
	if !ok || err != nil || len(sum) != sha256.Size {
		return nil, fn.WithHint(fn.Errorf(fn.Unauthenticated, "the build is not signed"), "send X-Build-Signature: sha256=HEX, the HMAC of the body")
	}
	return sum, nil
}
