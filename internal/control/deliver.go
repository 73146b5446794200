package control

import (
	"context"
	"fmt"
	"strings"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// Where a function finds its secrets: each is a file of its name in both.
const (
	secretsDir  = "/var/rouse/secrets"
	openFaaSDir = "/var/openfaas/secrets"
	secretsEnv  = "ROUSE_SECRETS" // says where, if there are any
)

// secretFiles opens the secrets of a function for one instance.
func (c *Controller) secretFiles(ctx context.Context, ref fn.Ref, names []string) ([]engine.File, error) {
	var files []engine.File
	var missing []string
	total := 0
	for _, name := range names {
		s, _, err := c.secret(ctx, ref.Namespace, name)
		if fn.KindOf(err) == fn.NotFound && err != nil {
			missing = append(missing, name)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading secret %s: %w", name, err)
		}
		value, err := c.cfg.Secrets.Open(sealName(ref.Namespace, name), s.Sealed)
		if err != nil {
			return nil, unreadable(ref, name, err)
		}
		total += len(value)
		for _, dir := range []string{openFaaSDir, secretsDir} {
			files = append(files, engine.File{Path: dir + "/" + name, Data: value})
		}
	}
	if len(missing) > 0 {
		return nil, noSecret(ref, missing)
	}
	if total > engine.MaxFileBytes {
		return nil, tooMuch(ref, total)
	}
	return files, nil
}

func noSecret(ref fn.Ref, missing []string) error {
	return &fn.Failure{
		Kind: fn.Unavailable, Phase: fn.PhaseStart, Cause: "no-secret",
		Message: fmt.Sprintf("%s needs what namespace %s does not have: secret %s", ref, ref.Namespace, strings.Join(missing, ", ")),
		Hint:    fmt.Sprintf("rouse secret create %s -n %s, or deploy without it", missing[0], ref.Namespace),
	}
}

func unreadable(ref fn.Ref, name string, err error) error {
	hint := fn.Hint(err)
	if hint == "" {
		hint = fmt.Sprintf("set it anew: rouse secret update %s -n %s", name, ref.Namespace)
	}
	return &fn.Failure{
		Kind: fn.Unavailable, Phase: fn.PhaseStart, Cause: "secret-unreadable", Err: err,
		Message: fmt.Sprintf("%s needs secret %s, which this server cannot open", ref, name), Hint: hint,
	}
}

func tooMuch(ref fn.Ref, total int) error {
	limit := fn.FormatBytes(engine.MaxFileBytes)
	return &fn.Failure{
		Kind: fn.Unavailable, Phase: fn.PhaseStart, Cause: "secrets-too-large", Limit: "secrets=" + limit,
		Message: fmt.Sprintf("the secrets of %s have %d bytes, at most %s are possible", ref, total, limit),
		Hint:    "give it fewer of them; what is large and not secret can be deployed with the function",
	}
}
