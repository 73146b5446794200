package deployment

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"rouse.dev/rouse/internal/fn"
)

// Kept begins the names of annotations that hold what only this dialect can
// express. Its clients never see them.
const Kept = "openfaas.rouse.dev/"

// sentKey is the annotation with what is kept, as JSON. What does not fit goes
// on in sentKey.1, sentKey.2 and so on.
const sentKey = Kept + "sent"

// kept is the part of a deployment that a function of ours has no place for,
// and that must come back as it was sent.
type kept struct {
	Process     string     `json:"process,omitempty"`     // envProcess
	Fprocess    *string    `json:"fprocess,omitempty"`    // value of the variable that envProcess replaced
	Env         []string   `json:"env,omitempty"`         // names of envVars: an image adds others
	Constraints []string   `json:"constraints,omitempty"` //
	Limits      *Resources `json:"limits,omitempty"`      // with the quantities as they were written
	Requests    *Resources `json:"requests,omitempty"`
	ReadOnly    bool       `json:"readOnly,omitempty"`
}

func keep(req *Request) kept {
	k := kept{
		Process: req.Process, Env: slices.Sorted(maps.Keys(req.Env)), Constraints: req.Constraints,
		Limits: unlessEmpty(req.Limits), Requests: unlessEmpty(req.Requests), ReadOnly: req.ReadOnly,
	}
	if v, ok := req.Env[processEnv]; ok && k.Process != "" {
		k.Fprocess = &v
	}
	return k
}

func unlessEmpty(r *Resources) *Resources {
	if r == nil || *r == (Resources{}) {
		return nil
	}
	return r
}

// remarks says what is kept without having an effect.
func (k *kept) remarks() []string {
	var out []string
	if len(k.Constraints) > 0 {
		out = append(out, "constraints: there is one host here")
	}
	if k.Requests != nil {
		out = append(out, "requests: there is one host here")
	}
	for _, r := range []*Resources{k.Limits, k.Requests} {
		if r != nil && r.Nvidia+r.AMD+r.Intel != "" {
			out = append(out, "gpu: functions reach no device")
			break
		}
	}
	return out
}

// annotations writes what is kept in pieces of a size that values may have.
func (k *kept) annotations() map[string]string {
	text, _ := json.Marshal(k) // plain data always encodes
	out := map[string]string{}
	// JSON escapes every control character but this one.
	for i, rest := 0, strings.ReplaceAll(string(text), "\x7f", `\u007f`); rest != ""; i++ {
		n := min(len(rest), fn.MaxLabelValue)
		for n < len(rest) && !utf8.RuneStart(rest[n]) {
			n--
		}
		out[sentName(i)], rest = rest[:n], rest[n:]
	}
	return out
}

func sentName(i int) string {
	if i == 0 {
		return sentKey
	}
	return fmt.Sprintf("%s.%d", sentKey, i)
}

// keptOf reads what is kept back; nil if the function is not of this dialect.
func keptOf(annotations map[string]string) *kept {
	var text strings.Builder
	for i := 0; ; i++ {
		part, ok := annotations[sentName(i)]
		if !ok {
			break
		}
		text.WriteString(part)
	}
	var k kept
	if text.Len() == 0 || json.Unmarshal([]byte(text.String()), &k) != nil {
		return nil
	}
	return &k
}
