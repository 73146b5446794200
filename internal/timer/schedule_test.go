package timer

import (
	"strings"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

func TestSchedulesAreCheckedWhenTheyAreDeployed(t *testing.T) {
	for text, wrong := range map[string]int{
		"* * * * *": 0, "*/5 * * * *": 0, "0 9 * * MON-FRI": 0, "@daily": 0, "TZ=Europe/Berlin 0 9 * * *": 0,
		"CRON_TZ=America/New_York 0 9 * * *; 0 0 1 1 *;": 0, "0 9 * * 1,3,5": 0, "15 14 1 * *": 0,
		"": 1, ";;": 1, "often": 1, "* * * *": 1, "* * * * * *": 1, "61 * * * *": 1, "* 25 * * *": 1, "TZ=Nowhere/At 0 9 * * *": 1,
		"TZ= 0 9 * * *": 1, "TZ=Local 0 9 * * *": 1, "TZ=Europe/Berlin": 1, "@everysecond": 1, "@always x": 1, "0 0 30 2 *": 1,
		"often; 61 * * * *; * * * * *": 2, "TZ=../../etc/passwd * * * * *": 1, strings.Repeat("* * * * *;", 33): 1,
	} {
		err := Validate(map[string]string{TopicAnnotation: "a, cron-function", ScheduleAnnotation: text})
		if n := len(fn.MistakesOf(err)); n != wrong {
			t.Errorf("%q: %d mistakes, want %d: %v", text, n, wrong, err)
		}
	}
	if err := Validate(map[string]string{TopicAnnotation: "cron", ScheduleAnnotation: "often"}); err != nil {
		t.Errorf("somebody else's schedule: %v", err)
	}
	if err := Validate(map[string]string{TopicAnnotation: Topic}); err != nil {
		t.Errorf("the topic alone: %v", err)
	}
}

func TestTicks(t *testing.T) {
	for _, row := range []struct{ schedule, after, want string }{
		{"* * * * *", "2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z"},
		{"* * * * *", "2026-03-01T12:00:59.9Z", "2026-03-01T12:01:00Z"},
		{"*/15 * * * *", "2026-03-01T12:07:00Z", "2026-03-01T12:15:00Z"},
		{"0 9 * * *; 30 8 * * *", "2026-03-01T09:00:00Z", "2026-03-02T08:30:00Z"},
		{"0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"0 9 * * MON", "2026-03-01T00:00:00Z", "2026-03-02T09:00:00Z"},
		{"0 0 13 * FRI", "2026-03-01T00:00:00Z", "2026-03-06T00:00:00Z"}, // either: as cron has it
		{"TZ=Europe/Berlin 0 9 * * *", "2026-01-01T00:00:00Z", "2026-01-01T08:00:00Z"},
		{"TZ=Europe/Berlin 0 9 * * *", "2026-07-01T00:00:00Z", "2026-07-01T07:00:00Z"},
		// The clock goes forward at 2:00 on 2026-03-29: 2:30 is not there.
		{"TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
		// The clock goes back at 3:00 on 2026-10-25: 2:30 comes twice, and counts once.
		{"TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"},
		{"TZ=Europe/Berlin 30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"TZ=Europe/Berlin 30 * * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		{"TZ=Asia/Kolkata 0 * * * *", "2026-03-01T12:00:00Z", "2026-03-01T12:30:00Z"},
	} {
		s, err := parse(row.schedule)
		if err != nil {
			t.Errorf("%s: %v", row.schedule, err)
			continue
		}
		after, err := time.Parse(time.RFC3339Nano, row.after)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := s.next(after); !ok || got.UTC().Format(time.RFC3339) != row.want {
			t.Errorf("%s after %s: %v, want %s", row.schedule, row.after, got.UTC().Format(time.RFC3339), row.want)
		}
	}
}

// FuzzSchedules: whatever is accepted has ticks that go forward, and reading
// it ends.
func FuzzSchedules(f *testing.F) {
	for _, seed := range []string{"* * * * *", "TZ=Europe/Berlin 30 2 * * *", "0 0 29 2 *", "*/7 1-5,9 L * 1#2", "@daily;", "0 0 31W * *"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text)
		if err != nil {
			return
		}
		at := time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC)
		for range 3 {
			next, ok := s.next(at)
			if !ok {
				return
			}
			if !next.After(at) {
				t.Fatalf("%q: %v is not after %v", text, next, at)
			}
			at = next
		}
	})
}
