package cli

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/internal/fn"
)

// Bounds of what is signed.
const (
	maxSigned = 256 << 20 // body: it is held in memory
	maxKey    = 64 << 10
)

// signing is how a call's body is signed.
type signing struct {
	header  string // that carries the signature; "" for none
	key     string
	keyFile string // instead of key
}

func (s *signing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.header, "sign", "", "header to carry the body's signature (sha256=HEX of an HMAC)")
	f.StringVar(&s.key, "key", "", "key of the signature; others on this machine may see it, --key-file is safer")
	f.StringVar(&s.keyFile, "key-file", "", "file with the key, or - for standard input; a line end at its end is not part of it")
	cmd.MarkFlagsMutuallyExclusive("key", "key-file")
}

// signed puts the signature of body into header and returns the body to send.
func (c *cli) signed(s signing, header http.Header, body io.Reader) (io.Reader, error) {
	if s.header == "" && s.key == "" && s.keyFile == "" {
		return body, nil
	}
	key, err := c.signingKey(s)
	if err != nil {
		return nil, err
	}
	var text []byte
	if body != nil {
		text, err = io.ReadAll(io.LimitReader(body, maxSigned+1))
		if err != nil {
			return nil, fmt.Errorf("reading the body: %w", err)
		}
		if len(text) > maxSigned {
			return nil, fn.Errorf(fn.TooLarge, "a body to be signed may have at most %s", fn.FormatBytes(maxSigned))
		}
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	header.Set(s.header, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	if body == nil {
		return nil, nil
	}
	return bytes.NewReader(text), nil
}

func (c *cli) signingKey(s signing) ([]byte, error) {
	switch {
	case s.header == "" || strings.ContainsAny(s.header, " :\t\r\n"):
		return nil, usage(fn.Errorf(fn.Invalid, "a key signs nothing without --sign and the name of a header"))
	case s.key != "":
		return []byte(s.key), nil
	case s.keyFile == "":
		return nil, usage(fn.Errorf(fn.Invalid, "--sign needs --key-file or --key"))
	}
	in := c.In
	if s.keyFile != "-" {
		f, err := c.open(s.keyFile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxKey+1))
	text = bytes.TrimRight(text, "\r\n")
	switch {
	case err != nil:
		return nil, fileError(s.keyFile, err)
	case len(text) == 0 || len(text) > maxKey:
		return nil, fn.Errorf(fn.Invalid, "the key in %s has %d bytes, a key has 1 to %d", s.keyFile, len(text), maxKey)
	}
	return text, nil
}
