package timer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/adhocore/gronx"

	"rouse.dev/rouse/internal/fn"
)

// Annotations of a function, as OpenFaaS's cron connector reads them.
const (
	TopicAnnotation    = "topic"    // list of topics, separated by ','
	ScheduleAnnotation = "schedule" // cron expressions, separated by ';'
	Topic              = "cron-function"
)

// maxExpressions bounds one schedule.
const maxExpressions = 32

// Validate checks the schedule among a function's annotations: all mistakes at
// once. Without the topic cron-function a schedule is somebody else's, and
// anything goes.
func Validate(annotations map[string]string) error {
	text, ok := scheduleOf(annotations)
	if !ok {
		return nil
	}
	_, err := parse(text)
	return err
}

// scheduleOf returns the schedule of a function that has one.
func scheduleOf(annotations map[string]string) (string, bool) {
	text, ok := annotations[ScheduleAnnotation]
	if !ok {
		return "", false
	}
	for topic := range strings.SplitSeq(annotations[TopicAnnotation], ",") {
		if strings.TrimSpace(topic) == Topic {
			return text, true
		}
	}
	return "", false
}

// schedule is a list of cron expressions.
type schedule []expression

// expression is one cron expression in a time zone.
type expression struct {
	text  string // five fields, or a name such as @daily
	zone  *time.Location
	fixed bool // names hours: a time that a change of clocks repeats counts once
}

// names are the expressions that can be written as a word.
var names = []string{"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@hourly"}

// parse reads a schedule.
func parse(text string) (schedule, error) {
	var s schedule
	var ms fn.Mistakes
	const field = "annotations." + ScheduleAnnotation
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		x, err := parseOne(part)
		if err != nil {
			ms.Add(field, "%v", err)
			continue
		}
		s = append(s, x)
	}
	if len(s) == 0 && len(ms) == 0 {
		ms.Add(field, "is empty: write a cron expression such as */5 * * * *")
	}
	if len(s) > maxExpressions {
		ms.Add(field, "at most %d expressions, got %d", maxExpressions, len(s))
	}
	return s, ms.Err()
}

// parseOne reads one expression, with or without TZ=NAME or CRON_TZ=NAME
// before it; times are UTC if it says nothing.
func parseOne(text string) (expression, error) {
	x := expression{zone: time.UTC}
	words := strings.Fields(text)
	name, isZone := strings.CutPrefix(strings.TrimPrefix(words[0], "CRON_"), "TZ=")
	if isZone {
		zone, err := time.LoadLocation(name)
		if err != nil || name == "" || name == "Local" {
			return x, fmt.Errorf("%.80q is not a time zone such as Europe/Berlin", name)
		}
		x.zone, words = zone, words[1:]
	}
	x.text = strings.Join(words, " ")
	named := len(words) == 1 && slices.Contains(names, strings.ToLower(words[0]))
	if !named && len(words) != 5 || !gronx.IsValid(x.text) {
		return x, fmt.Errorf("%.80q is not a cron expression of five fields: minute, hour, day of the month, month, day of the week", text)
	}
	x.fixed = !named && !strings.Contains(words[1], "*")
	if _, ok := x.next(time.Now()); !ok {
		return x, fmt.Errorf("%.80q is a time that never comes", text)
	}
	return x, nil
}

// next returns the first tick after a time.
func (s schedule) next(after time.Time) (first time.Time, ok bool) {
	for _, x := range s {
		if t, found := x.next(after); found && (!ok || t.Before(first)) {
			first, ok = t, true
		}
	}
	return first, ok
}

// next finds the first tick after a time. It looks at each stretch of time in
// which the zone's clock is not changed by itself: the library knows clocks
// that only go forward.
func (x *expression) next(after time.Time) (time.Time, bool) {
	const most = 64 // changes of clocks that are looked past: eight years have less
	from := after.Truncate(time.Minute).Add(time.Minute)
	for range most {
		local := from.In(x.zone)
		name, offset := local.Zone()
		_, end := local.ZoneBounds()
		t, err := gronx.NextTickAfter(x.text, from.In(time.FixedZone(name, offset)), true)
		switch {
		case err != nil || t.Before(from):
			return time.Time{}, false
		case !end.IsZero() && !t.Before(end):
			from = end
		case x.fixed && repeated(t.In(x.zone)):
			from = t.Add(time.Minute)
		default:
			return t.In(x.zone), true
		}
	}
	return time.Time{}, false
}

// repeated reports whether the clock showed the same an hour before.
func repeated(t time.Time) bool {
	const minute = "2006-01-02 15:04"
	return t.Format(minute) == t.Add(-time.Hour).Format(minute)
}
