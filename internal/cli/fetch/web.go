package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/stack"
)

// webWait is how long a web server may take for a text.
const webWait = time.Minute

// IsURL says whether a file is named by its address on the web.
func IsURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// Text gets a text of at most stack.MaxBytes from the web.
func Text(ctx context.Context, address, agent string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || !IsURL(address) {
		return nil, fn.Errorf(fn.Invalid, "%q is not an http or https address", address)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, webWait, fn.Errorf(fn.Timeout, "%s took longer than %s", u.Redacted(), webWait))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "asking for %s: %w", u.Redacted(), err)
	}
	req.Header.Set("User-Agent", agent)
	web := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	resp, err := web.Do(req)
	if said, ok := errors.AsType[*url.Error](err); ok {
		err = said.Err // the address is said once
	}
	if err != nil {
		return nil, fn.Errorf(fn.Unavailable, "getting %s: %w", u.Redacted(), err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fn.Errorf(fn.Unavailable, "getting %s: the answer is %s", u.Redacted(), resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, stack.MaxBytes+1))
	if err != nil {
		return nil, fn.Errorf(fn.Unavailable, "getting %s: %w", u.Redacted(), err)
	}
	if len(text) > stack.MaxBytes {
		return nil, fn.Errorf(fn.TooLarge, "%s is larger than %s", u.Redacted(), fn.FormatBytes(stack.MaxBytes))
	}
	return text, nil
}

// Store gets the list of a template store.
func Store(ctx context.Context, address, agent string) ([]stack.StoreEntry, error) {
	text, err := Text(ctx, address, agent)
	if err != nil {
		return nil, fn.WithHint(err, "name the list of another template store with --from: an http or https address")
	}
	return stack.ParseStore(text)
}

// Find returns the store's template NAME or SOURCE/NAME.
func Find(entries []stack.StoreEntry, name string) (stack.StoreEntry, error) {
	source, short, both := strings.Cut(name, "/")
	if !both {
		source, short = "", name
	}
	for _, e := range entries {
		if e.Name == short && (source == "" || e.Source == source) {
			return e, nil
		}
	}
	return stack.StoreEntry{}, fn.WithHint(fn.Errorf(fn.NotFound, "the template store has no template %s", name),
		"rouse template store list shows those there are")
}
