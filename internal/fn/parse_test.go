package fn

import (
	"errors"
	"testing"
	"time"
)

func TestParseBytesReadsWhatPeopleWrite(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "4096": 4096, "64Ki": 64 << 10, "128Mi": 128 << 20, "1.5Gi": 3 << 29, "64MiB": 64 << 20,
		"500M": 5e8, "10GB": 1e10, "7k": 7000, " 1Ti ": 1 << 40, "12B": 12,
		"1e9": 1e9, "1E3": 1000, "1.5e1": 15, "5e-1Ki": 512, "2Pi": 2 << 50, "1Ei": 1 << 60, "3P": 3e15, "1E": 1e18,
	} {
		if got, err := ParseBytes(in); err != nil || got != want {
			t.Errorf("ParseBytes(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-1", "-1Mi", "Mi", "B", "1Xi", "0x10", "1e", "e3", "1e-1", "1e999", "1e+-3", "1e1e1", "16Ei", "1.2.3", "1.5", "9999999Ti", "1 Mi", "NaN"} {
		if got, err := ParseBytes(in); !errors.Is(err, Invalid) {
			t.Errorf("ParseBytes(%q) = %d, %v, want an invalid error", in, got, err)
		}
	}
}

func TestParseCPUReadsCoresAndThousandths(t *testing.T) {
	for in, want := range map[string]int{"500m": 500, "2": 2000, "0.5": 500, "0.001": 1, "1024": 1024_000, "5e-1": 500, "1e3m": 1000} {
		if got, err := ParseCPU(in); err != nil || got != want {
			t.Errorf("ParseCPU(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "m", "-1", "0.0001", "1.5m", "1G", "1e-4", "99999999"} {
		if got, err := ParseCPU(in); !errors.Is(err, Invalid) {
			t.Errorf("ParseCPU(%q) = %d, %v, want an invalid error", in, got, err)
		}
	}
}

func TestParseDurationWantsAUnit(t *testing.T) {
	if got, err := ParseDuration("1m30s"); err != nil || got != 90*time.Second {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := ParseDuration("60"); !errors.Is(err, Invalid) {
		t.Errorf("a bare number was accepted: %v", err)
	}
}

// FuzzQuantities checks that what we write we read again as the same.
func FuzzQuantities(f *testing.F) {
	for _, s := range []string{"128Mi", "1.5Gi", "500m", "0.5", "-1", "9223372036854775807", "8388607.999Ti"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseBytes(s); err == nil {
			if again, err := ParseBytes(FormatBytes(n)); n < 0 || err != nil || again != n {
				t.Errorf("%q: %d, written %q, read %d, %v", s, n, FormatBytes(n), again, err)
			}
		}
		if n, err := ParseCPU(s); err == nil {
			if again, err := ParseCPU(FormatCPU(n)); n < 0 || err != nil || again != n {
				t.Errorf("%q: %d, written %q, read %d, %v", s, n, FormatCPU(n), again, err)
			}
		}
	})
}
