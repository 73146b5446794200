package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/conf"
)

// Doctor looks at this host when no server answers: it makes an engine on a
// folder of its own and asks it.
func (s server) Doctor(ctx context.Context, cfg conf.Config) (_ api.DoctorReport, err error) {
	dir, err := os.MkdirTemp("", "rouse-doctor")
	if err != nil {
		return api.DoctorReport{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	e, err := newEngine(cfg, dir, filepath.Join(dir, "run"), slog.New(slog.DiscardHandler))
	if err != nil {
		return api.DoctorReport{}, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	report := e.Report(ctx)
	out := api.DoctorReport{Level: report.Level}
	for _, check := range report.Checks {
		out.Checks = append(out.Checks, api.Check(check))
	}
	return out, nil
}
