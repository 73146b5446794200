package fn

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// byteUnits is ordered so that no unit is a suffix of one before it.
var byteUnits = []struct {
	name string
	size int64
}{
	{"Ei", 1 << 60}, {"Pi", 1 << 50}, {"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10},
	{"E", 1e18}, {"P", 1e15}, {"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"K", 1e3}, {"", 1},
}

// ParseBytes reads a number of bytes as people write it: "128Mi", "1.5Gi",
// "64MiB", "500M", "4096", "1e9": all quantities of Kubernetes that are whole
// numbers of bytes. Errors are Invalid.
func ParseBytes(s string) (int64, error) {
	t := strings.TrimSpace(s)
	if n := len(t); n > 1 && t[n-1] == 'B' {
		t = t[:n-1]
	}
	for _, u := range byteUnits {
		num, ok := strings.CutSuffix(t, u.name)
		if !ok {
			continue
		}
		n, ok := scaled(num, u.size)
		if !ok {
			break
		}
		return n, nil
	}
	return 0, Errorf(Invalid, "%s is not a size: write bytes as 4096, 64Ki, 128Mi or 1Gi", quote(s))
}

// ParseCPU reads a share of processors: "500m" (thousandths), "2", "0.5",
// "5e-1". It returns thousandths of a core. Errors are Invalid.
func ParseCPU(s string) (int, error) {
	t := strings.TrimSpace(s)
	unit := int64(1000)
	if milli, ok := strings.CutSuffix(t, "m"); ok {
		t, unit = milli, 1
	}
	n, ok := scaled(t, unit)
	if !ok || n > math.MaxInt32 {
		return 0, Errorf(Invalid, "%s is not a share of processors: write cores as 500m, 0.5 or 2", quote(s))
	}
	return int(n), nil
}

// ParseDuration reads a time span: "250ms", "60s", "1h30m". Errors are
// Invalid.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(strings.TrimSpace(s))
	if err != nil {
		return 0, Errorf(Invalid, "%s is not a time span: write it as 250ms, 60s or 1h30m", quote(s))
	}
	return d, nil
}

// scaled multiplies a decimal number of at most 18 digits without a sign, with
// an exponent of at most two, by unit; the product must be whole.
func scaled(num string, unit int64) (int64, bool) {
	digits, exponent, _ := strings.Cut(strings.ToLower(num), "e")
	if digits == "" || len(digits) > 20 || strings.Trim(digits, "0123456789.") != "" || !smallExponent(exponent, num != digits) {
		return 0, false
	}
	if n, err := strconv.ParseInt(num, 10, 64); err == nil && n <= math.MaxInt64/unit {
		return n * unit, true
	}
	r, ok := new(big.Rat).SetString(num)
	if !ok {
		return 0, false
	}
	r.Mul(r, new(big.Rat).SetInt64(unit))
	if !r.IsInt() || !r.Num().IsInt64() {
		return 0, false
	}
	return r.Num().Int64(), true
}

// smallExponent reports whether s can follow the "e" of a number: at most two
// digits, or big numbers would be the work of small texts.
func smallExponent(s string, needed bool) bool {
	s = strings.TrimLeft(s, "+-")
	return s == "" && !needed || s != "" && len(s) <= 2 && strings.Trim(s, "0123456789") == ""
}
