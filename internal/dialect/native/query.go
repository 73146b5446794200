package native

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// has says whether the route's path has a {field}.
func (c *call) has(field string) bool { return strings.Contains(c.route.path, "{"+field+"}") }

// unknownParams notes query parameters the route does not have.
func (c *call) unknownParams() {
	for _, name := range slices.Sorted(maps.Keys(c.r.URL.Query())) {
		if !slices.ContainsFunc(c.route.query, func(p param) bool { return p.name == name }) {
			c.wrong.Add("query "+clip(name), "is not a parameter here")
		}
	}
}

// The readers of query parameters note mistakes in c.wrong; the handler
// returns c.wrong.Err() when it has read all it needs.

func (c *call) boolParam(name string) bool {
	s := c.r.URL.Query().Get(name)
	if s == "" {
		return false
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		c.wrong.Add("query "+name, "must be true or false, got %q", clip(s))
	}
	return v
}

func (c *call) intParam(name string) int {
	s := c.r.URL.Query().Get(name)
	if s == "" {
		return 0
	}
	v, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		c.wrong.Add("query "+name, "must be a whole number, got %q", clip(s))
	}
	return int(v)
}

// timeParam reads a time, or an age before now.
func (c *call) timeParam(name string, now time.Time) time.Time {
	s := c.r.URL.Query().Get(name)
	if s == "" {
		return time.Time{}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d)
	}
	c.wrong.Add("query "+name, "must be a time such as 2026-01-31T12:00:00Z or an age such as 10m, got %q", clip(s))
	return time.Time{}
}

func (c *call) labelsParam(name string) map[string]string {
	labels, err := parseSelector(c.r.URL.Query().Get(name))
	if err != nil {
		c.wrong.Add("query "+name, "%v", err)
	}
	return labels
}

// parseSelector reads "a=b,c=d"; empty text selects everything.
func parseSelector(s string) (map[string]string, error) {
	if s == "" {
		return nil, nil
	}
	labels := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, fn.Errorf(fn.Invalid, "%q is not KEY=VALUE", clip(pair))
		}
		if other, twice := labels[key]; twice && other != value {
			return nil, fn.Errorf(fn.Invalid, "label %q cannot have two values", clip(key))
		}
		labels[key] = value
	}
	if err := fn.ValidateLabels("labels", labels); err != nil {
		return nil, err
	}
	return labels, nil
}
