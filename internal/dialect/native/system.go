package native

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/fn"
)

func health(*call, none) (api.Health, error) { return api.Health{Status: "ok"}, nil }

func document(c *call) error {
	c.w.Header().Set("Content-Type", jsonType)
	_, _ = c.w.Write(openAPI) // fails only if the client has left
	return nil
}

func metrics(c *call) error {
	c.Metrics.ServeHTTP(c.w, c.r)
	return nil
}

func info(c *call, _ none) (api.Info, error) {
	i, err := c.Control.Info(c.r.Context())
	return api.Info{
		Version: i.Version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Isolation: i.Isolation, URL: i.URL, Domain: i.Domain, Namespaces: i.Namespaces,
		Functions: i.Functions, Instances: i.Instances, Started: i.Started,
	}, err
}

func runtimes(c *call, _ none) (api.RuntimeList, error) {
	found, err := c.Control.Runtimes(c.r.Context())
	out := api.RuntimeList{Runtimes: make([]api.Runtime, 0, len(found))}
	for _, rt := range found {
		modes := make([]string, 0, len(rt.Modes))
		for _, m := range rt.Modes {
			modes = append(modes, string(m))
		}
		out.Runtimes = append(out.Runtimes, api.Runtime{
			Name: rt.Name, Summary: rt.Summary, Modes: modes, Handler: rt.Handler,
			Available: rt.Available, Missing: rt.Missing,
		})
	}
	return out, err
}

func doctor(c *call, _ none) (api.DoctorReport, error) {
	report, err := c.Control.Doctor(c.r.Context())
	out := api.DoctorReport{Level: report.Level, Checks: make([]api.Check, 0, len(report.Checks))}
	for _, check := range report.Checks {
		out.Checks = append(out.Checks, api.Check(check))
	}
	return out, err
}

func config(c *call, _ none) (api.SettingList, error) {
	return api.SettingList{Settings: append([]api.Setting{}, c.Settings...)}, nil
}

// backup streams; an error after the first byte breaks the connection off, so
// that nobody takes half a backup for a whole one.
func backup(c *call) error {
	w := &patientWriter{w: c.w, rc: http.NewResponseController(c.w)}
	c.w.Header().Set("Content-Type", bytesType)
	err := c.Control.Backup(c.r.Context(), w)
	if w.begun {
		_ = w.rc.SetWriteDeadline(time.Time{}) // not every writer has deadlines
	}
	if err != nil && w.begun {
		c.Log.Error("backup broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

func restore(c *call) (api.BackupInfo, error) {
	replace := c.boolParam("replace")
	if err := c.wrong.Err(); err != nil {
		return api.BackupInfo{}, err
	}
	i, err := c.Control.Restore(c.r.Context(), c.r.Body, replace)
	return api.BackupInfo{Bytes: i.Bytes, Namespaces: i.Namespaces, Functions: i.Functions, Revisions: i.Revisions, Secrets: i.Secrets}, err
}

func acceptSource(c *call) (api.Source, error) {
	if c.r.ContentLength > c.Upload {
		return api.Source{}, c.tooLarge()
	}
	digest, err := c.Control.AcceptSource(c.r.Context(), &limited{r: c.r.Body, left: c.Upload, full: c.tooLarge()})
	return api.Source{Digest: digest}, err
}

func (c *call) tooLarge() error {
	return fn.WithHint(fn.Errorf(fn.TooLarge, "the source archive is larger than %s", fn.FormatBytes(c.Upload)),
		"leave out what the function does not need with a .rouseignore file, or raise limits.upload")
}

func findSource(c *call, _ none) (api.Source, error) {
	digest := c.r.PathValue("digest")
	if err := validDigest("digest", digest); err != nil {
		return api.Source{}, err
	}
	found, err := c.Control.HasSource(c.r.Context(), digest)
	if err == nil && !found {
		err = fn.WithHint(fn.Errorf(fn.NotFound, "no source %s is here", digest), "upload it with POST /v1/sources")
	}
	return api.Source{Digest: digest}, err
}

// validDigest checks "sha256:" and 64 hex digits.
func validDigest(field, s string) error {
	sum, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return fn.Mistake{Field: field, Reason: `must be "sha256:" and 64 digits of 0-9 and a-f`}
	}
	return nil
}

// limited fails with full once more than left bytes are read.
type limited struct {
	r    io.Reader
	left int64
	full error
}

func (l *limited) Read(p []byte) (int, error) {
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, l.full
	}
	return n, err
}
