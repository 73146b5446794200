package app

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

func TestAnAddressIsTakenOverFromAKilledServer(t *testing.T) {
	old, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := old.Addr().String()
	leaves := time.AfterFunc(100*time.Millisecond, func() { _ = old.Close() })
	defer leaves.Stop()
	ln, err := listen(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if _, err := listen(t.Context(), addr); !errors.Is(err, fn.Unavailable) || fn.Hint(err) == "" {
		t.Errorf("an address that stays in use: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if _, err := listen(ctx, addr); err == nil || time.Since(began) >= takeoverTime {
		t.Errorf("a start that is given up: %v after %v", err, time.Since(began))
	}
}
