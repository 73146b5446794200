package app

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/netip"

	"rouse.dev/rouse/internal/conf"
	"rouse.dev/rouse/internal/engine/process"
	"rouse.dev/rouse/internal/engine/process/netns"
	"rouse.dev/rouse/internal/fn"
)

// newEngine makes the process engine of the server whose data lies in data.
func newEngine(cfg conf.Config, data, run string, log *slog.Logger) (*process.Engine, error) {
	subnet, err := netip.ParsePrefix(cfg.Engine.Subnet)
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "engine.subnet: %w", err)
	}
	var denied []netip.Prefix
	for _, text := range cfg.Engine.Denied {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fn.Errorf(fn.Invalid, "engine.denied: %w", err)
		}
		denied = append(denied, p)
	}
	// The same after a restart, another one for every other data folder.
	sum := sha256.Sum256([]byte(data))
	id := hex.EncodeToString(sum[:6])
	spares := cfg.Engine.Spares
	if spares == 0 {
		spares = -1 // to netns 0 is its own default
	}
	networks, err := netns.New(netns.Config{
		ServerID: id, Subnet: subnet, Spares: spares, Deny: denied, Log: log,
	})
	if err != nil {
		return nil, err
	}
	return process.New(process.Config{
		RunDir: run, ServerID: id, Netns: networks,
		UIDBase: cfg.Engine.UIDBase, UIDCount: cfg.Engine.UIDCount,
		RuntimeDirs: cfg.Engine.RuntimeDirs, Log: log.With("component", "engine"),
	})
}
