package fn_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"rouse.dev/rouse/internal/fn"
)

func TestACallThatEndsWithItsContextIsNoBug(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want fn.Kind
	}{
		{fmt.Errorf("asking: %w", context.DeadlineExceeded), fn.Timeout},
		{fmt.Errorf("asking: %w", context.Canceled), fn.Canceled},
		{fn.Errorf(fn.Unavailable, "starting: %w", context.Canceled), fn.Unavailable},
		{errors.New("something else"), fn.Internal},
	} {
		if got := fn.KindOfCall(tc.err); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.err, got, tc.want)
		}
	}
}
