package fn

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// MaxName is the longest name of a function or namespace in bytes: they are
// DNS labels (RFC 1123), so that name.namespace can be a host.
const MaxName = 63

// Mistake is one thing wrong with an input; errors.Join of several is what
// the validators return, so that a user sees all of them at once.
type Mistake struct {
	Field  string // path of the field: "limits.memory"
	Reason string // "must be at least 8Mi, got 0"
}

func (m Mistake) Error() string { return m.Field + ": " + m.Reason }

// Unwrap makes every mistake an Invalid error.
func (m Mistake) Unwrap() error { return Invalid }

// Mistakes collects mistakes; its zero value is empty.
type Mistakes []error

// Add notes one mistake.
func (ms *Mistakes) Add(field, format string, args ...any) {
	*ms = append(*ms, Mistake{Field: field, Reason: fmt.Sprintf(format, args...)})
}

// Err returns all mistakes joined, or nil if there are none.
func (ms Mistakes) Err() error { return errors.Join(ms...) }

// MistakesOf returns every Mistake that err holds, in order.
func MistakesOf(err error) []Mistake {
	var out []Mistake
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case nil:
		case Mistake:
			out = append(out, e)
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		}
	}
	walk(err)
	return out
}

// ValidName reports whether s may name a function or namespace:
// [a-z0-9]([-a-z0-9]*[a-z0-9])?, 1 to 63 bytes.
func ValidName[S ~string | ~[]byte](s S) bool {
	if len(s) == 0 || len(s) > MaxName || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// ValidateName returns a Mistake for field if s is not a valid name.
func ValidateName(field, s string) error {
	if ValidName(s) {
		return nil
	}
	return Mistake{Field: field, Reason: fmt.Sprintf(
		"%s is not a name: use 1 to %d of a-z, 0-9 and '-', beginning and ending with a letter or digit", quote(s), MaxName)}
}

// ValidateNamespace checks a namespace as it is made or changed: every mistake
// at once, joined.
func ValidateNamespace(n Namespace) error {
	err := ValidateName("namespace", n.Name)
	if n.Name == DefaultAlias {
		err = Mistake{Field: "namespace", Reason: fmt.Sprintf(
			"%q is another name of namespace %s: choose another one", DefaultAlias, DefaultNamespace)}
	}
	return errors.Join(err, ValidateLabels("labels", n.Labels), ValidateLabels("annotations", n.Annotations))
}

// ValidateRef checks both parts of a function's name.
func ValidateRef(r Ref) error {
	return errors.Join(ValidateName("namespace", r.Namespace), ValidateName("name", r.Name))
}

// Bounds of the policy fields.
const (
	MinMemory, MaxMemory = 8 << 20, 1 << 40
	MinCPU, MaxCPU       = 10, 1024_000
	MinPids, MaxPids     = 4, 32768
	MinTmp, MaxTmp       = 64 << 10, 1 << 40
	MaxTimeout           = 24 * time.Hour
	MinTimeout           = time.Millisecond
	MinStart, MaxStart   = 10 * time.Millisecond, time.Hour
	MaxInstances         = 1000
	MaxConcurrency       = 10_000
	MaxQueue             = 100_000
	MinIdle, MaxIdle     = 10 * time.Millisecond, 30 * 24 * time.Hour
	MaxEnv               = 256      // variables
	MaxEnvBytes          = 64 << 10 // all names and values together
	MaxLabels            = 64
	MaxLabelKey          = 317 // prefix/name, as Kubernetes has it
	MaxLabelValue        = 4096
	MaxSecrets           = 64
	MaxImage             = 512
	MaxWindow            = 5 * time.Minute
	MaxGoal              = 1e9
	MaxCommand           = 64 // arguments
	MaxCommandBytes      = 16 << 10
)

// ValidateSpec checks a spec after WithDefaults. It returns every mistake at
// once, joined.
func ValidateSpec(s Spec) error {
	var ms Mistakes
	if !ValidName(s.Runtime) {
		ms.Add("runtime", "%s is not the name of a runtime", quote(s.Runtime))
	}
	if s.Handler != "" {
		validatePath(&ms, "handler", s.Handler)
	}
	switch s.Mode {
	case "", ModeHandler, ModeServer, ModeFork, ModeWatchdog, ModeClassic:
	default:
		ms.Add("mode", "%s is not one of handler, server, fork, watchdog, classic", quote(string(s.Mode)))
	}
	validateCommand(&ms, s.Command)
	validateEnv(&ms, s.Env)
	validateImage(&ms, s.Image)
	validateSecrets(&ms, s.Secrets)
	validateLimits(&ms, s.Limits)
	validateScale(&ms, s.Scale)
	switch s.Network {
	case NetworkOn, NetworkOff:
	default:
		ms.Add("network", "%s is not one of on, off", quote(string(s.Network)))
	}
	return ms.Err()
}

func validatePath(ms *Mistakes, field, p string) {
	switch {
	case len(p) > 1024 || strings.ContainsFunc(p, isControl):
		ms.Add(field, "%s is not a path", quote(p))
	case path.IsAbs(p) || !localPath(p):
		ms.Add(field, "%s must be a path inside the source folder", quote(p))
	}
}

func localPath(p string) bool {
	c := path.Clean(p)
	return c != ".." && !strings.HasPrefix(c, "../")
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

func validateCommand(ms *Mistakes, argv []string) {
	total := 0
	for i, a := range argv {
		total += len(a)
		if strings.ContainsRune(a, 0) {
			ms.Add(fmt.Sprintf("command[%d]", i), "contains a NUL byte")
		}
	}
	if len(argv) > 0 && argv[0] == "" {
		ms.Add("command", "the first word, the program, is empty")
	}
	if len(argv) > MaxCommand || total > MaxCommandBytes {
		ms.Add("command", "at most %d words and %d bytes", MaxCommand, MaxCommandBytes)
	}
}

func validateEnv(ms *Mistakes, env map[string]string) {
	total := 0
	for _, k := range slices.Sorted(maps.Keys(env)) {
		total += len(k) + len(env[k])
		switch {
		case !validEnvName(k):
			ms.Add("env", "%s is not a variable name: letters, digits and '_', not beginning with a digit", quote(k))
		case reservedEnv(k):
			ms.Add("env."+k, "is set by the platform: choose another name")
		case strings.ContainsRune(env[k], 0):
			ms.Add("env."+k, "the value contains a NUL byte")
		}
	}
	if len(env) > MaxEnv || total > MaxEnvBytes {
		ms.Add("env", "at most %d variables and %d bytes in all", MaxEnv, MaxEnvBytes)
	}
}

func validEnvName(s string) bool {
	if s == "" || len(s) > 256 || '0' <= s[0] && s[0] <= '9' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_') {
			return false
		}
	}
	return true
}

// reservedEnv names what the engine and the shims rely on. LD_ variables are
// allowed: they act inside the function's own sandbox only.
func reservedEnv(k string) bool {
	return k == "PORT" || strings.HasPrefix(k, "LISTEN_") || strings.HasPrefix(k, "ROUSE_")
}

// validateImage checks the form of an image reference: what it names is for
// whoever resolves it to say.
func validateImage(ms *Mistakes, ref string) {
	if len(ref) > MaxImage || strings.ContainsFunc(ref, func(r rune) bool { return r <= ' ' || r > '~' }) {
		ms.Add("image", "%s is not an image reference: at most %d printable characters without spaces", quote(ref), MaxImage)
	}
}

func validateSecrets(ms *Mistakes, names []string) {
	if len(names) > MaxSecrets {
		ms.Add("secrets", "at most %d, got %d", MaxSecrets, len(names))
	}
	seen := map[string]bool{}
	for i, name := range names {
		field := fmt.Sprintf("secrets[%d]", i)
		if err := ValidateSecretName(field, name); err != nil {
			*ms = append(*ms, err)
		} else if seen[name] {
			ms.Add(field, "%s is listed twice", quote(name))
		}
		seen[name] = true
	}
}

// Bounds of a secret, as Kubernetes has them.
const (
	MaxSecretName  = 253     // bytes
	MaxSecretValue = 1 << 20 // bytes
)

// ValidateSecretName returns a Mistake for field if s cannot name a secret:
// [a-z0-9]([-.a-z0-9]*[a-z0-9])? without "..", 1 to 253 bytes. A secret is a
// file of that name in every function that uses it.
func ValidateSecretName(field, s string) error {
	ok := s != "" && len(s) <= MaxSecretName && !strings.Contains(s, "..")
	for i := range len(s) {
		c := s[i]
		edge := i == 0 || i == len(s)-1
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || !edge && (c == '-' || c == '.')) {
			ok = false
		}
	}
	if ok {
		return nil
	}
	return Mistake{Field: field, Reason: fmt.Sprintf(
		"%s cannot name a secret: use 1 to %d of a-z, 0-9, '-' and '.', beginning and ending with a letter or digit", quote(s), MaxSecretName)}
}

func validateLimits(ms *Mistakes, l Limits) {
	if l.Memory < MinMemory || l.Memory > MaxMemory {
		ms.Add("limits.memory", "must be between 8Mi and 1Ti, got %s", FormatBytes(l.Memory))
	}
	if l.CPU < MinCPU || l.CPU > MaxCPU {
		ms.Add("limits.cpu", "must be between 10m and 1024, got %s", FormatCPU(l.CPU))
	}
	if l.Pids < MinPids || l.Pids > MaxPids {
		ms.Add("limits.pids", "must be between %d and %d, got %d", MinPids, MaxPids, l.Pids)
	}
	if l.Tmp < MinTmp || l.Tmp > MaxTmp {
		ms.Add("limits.tmp", "must be between 64Ki and 1Ti, got %s", FormatBytes(l.Tmp))
	}
	if l.Timeout < MinTimeout || l.Timeout > MaxTimeout {
		ms.Add("limits.timeout", "must be between %v and %v, got %v", MinTimeout, MaxTimeout, l.Timeout)
	}
	if l.Start < MinStart || l.Start > MaxStart {
		ms.Add("limits.start", "must be between %v and %v, got %v", MinStart, MaxStart, l.Start)
	}
}

func validateScale(ms *Mistakes, s Scale) {
	if s.Max < 1 || s.Max > MaxInstances {
		ms.Add("scale.max", "must be between 1 and %d, got %d", MaxInstances, s.Max)
	}
	if s.Min < 0 || s.Min > s.Max {
		ms.Add("scale.min", "must be between 0 and scale.max (%d), got %d", s.Max, s.Min)
	}
	if s.Concurrency < 1 || s.Concurrency > MaxConcurrency {
		ms.Add("scale.concurrency", "must be between 1 and %d, got %d", MaxConcurrency, s.Concurrency)
	}
	if s.Target < 1 || s.Target > 100 {
		ms.Add("scale.target", "must be between 1 and 100 percent, got %d", s.Target)
	}
	if s.RPS < 0 {
		ms.Add("scale.rps", "must not be negative, got %d", s.RPS)
	}
	switch s.Metric {
	case "", MetricConcurrency, MetricRPS, MetricCPU, MetricQueue:
	default:
		ms.Add("scale.metric", "%s is not one of concurrency, rps, cpu, queue", quote(string(s.Metric)))
	}
	if s.Metric == "" && s.Goal > 0 {
		ms.Add("scale.metric", "is missing: say what scale.goal counts: concurrency, rps, cpu or queue")
	}
	if !(s.Goal >= 0 && s.Goal <= MaxGoal) || s.Metric != "" && s.Goal == 0 {
		ms.Add("scale.goal", "must be more than 0 and at most %g, got %g", MaxGoal, s.Goal)
	}
	if s.Activation < 0 || s.Activation > max(s.Max, 0) {
		ms.Add("scale.activation", "must be between 0 and scale.max (%d), got %d", s.Max, s.Activation)
	}
	if s.Window < 0 || s.Window > MaxWindow {
		ms.Add("scale.window", "must be between 0 and %v, got %v", MaxWindow, s.Window)
	}
	if s.Queue < 1 || s.Queue > MaxQueue {
		ms.Add("scale.queue", "must be between 1 and %d, got %d", MaxQueue, s.Queue)
	}
	if s.Idle < MinIdle || s.Idle > MaxIdle {
		ms.Add("scale.idle", "must be between %v and %v, got %v", MinIdle, MaxIdle, s.Idle)
	}
}

// ValidateLabels checks labels or annotations; field is "labels" or
// "annotations".
func ValidateLabels(field string, labels map[string]string) error {
	var ms Mistakes
	if len(labels) > MaxLabels {
		ms.Add(field, "at most %d, got %d", MaxLabels, len(labels))
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if !validLabelKey(k) {
			ms.Add(field, "%s is not a key: letters, digits, '-', '_', '.' and '/', at most %d bytes", quote(k), MaxLabelKey)
		}
		if v := labels[k]; len(v) > MaxLabelValue || strings.ContainsFunc(v, isControl) {
			ms.Add(field+"."+k, "the value must be at most %d bytes of printable text", MaxLabelValue)
		}
	}
	return ms.Err()
}

func validLabelKey(k string) bool {
	if k == "" || len(k) > MaxLabelKey {
		return false
	}
	for i := range len(k) {
		c := k[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_./", c) >= 0) {
			return false
		}
	}
	return true
}

// ValidateTraffic checks that the weights sum to 100, revisions lie in
// 1..latest and tags are unique names.
func ValidateTraffic(traffic []Target, latest int) error {
	var ms Mistakes
	sum, tags := 0, map[string]bool{}
	for i, t := range traffic {
		field := fmt.Sprintf("traffic[%d]", i)
		if t.Revision < 1 || t.Revision > latest {
			ms.Add(field+".revision", "there is no revision %d (the latest is %d)", t.Revision, latest)
		}
		if t.Weight < 0 || t.Weight > 100 {
			ms.Add(field+".weight", "must be between 0 and 100, got %d", t.Weight)
		}
		sum += t.Weight
		if t.Tag == "" {
			continue
		}
		if !ValidName(t.Tag) || tags[t.Tag] {
			ms.Add(field+".tag", "%s must be a name and used once", quote(t.Tag))
		}
		tags[t.Tag] = true
	}
	if len(traffic) > 0 && sum != 100 {
		ms.Add("traffic", "the weights must sum to 100, got %d", sum)
	}
	return ms.Err()
}

// WithDefaults fills every zero field of p from d.
func (p Policy) WithDefaults(d Policy) Policy {
	or(&p.Limits.Memory, d.Limits.Memory)
	or(&p.Limits.CPU, d.Limits.CPU)
	or(&p.Limits.Pids, d.Limits.Pids)
	or(&p.Limits.Tmp, d.Limits.Tmp)
	or(&p.Limits.Timeout, d.Limits.Timeout)
	or(&p.Limits.Start, d.Limits.Start)
	if p.Scale.Activation == 0 { // who says how many there are with traffic means that there may be none without
		or(&p.Scale.Min, d.Scale.Min)
	}
	or(&p.Scale.Max, max(d.Scale.Max, p.Scale.Min))
	or(&p.Scale.Concurrency, d.Scale.Concurrency)
	or(&p.Scale.Target, d.Scale.Target)
	or(&p.Scale.RPS, d.Scale.RPS)
	or(&p.Scale.Queue, d.Scale.Queue)
	or(&p.Scale.Freeze, d.Scale.Freeze)
	or(&p.Scale.Idle, d.Scale.Idle)
	or(&p.Network, d.Network)
	return p
}

func or[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

// quote quotes user text for an error, cut to a readable length.
func quote(s string) string {
	if len(s) > 80 {
		s = s[:77] + "..."
	}
	return fmt.Sprintf("%q", s)
}
