package async

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

func TestOneFunctionCannotFillTheQueueForOthers(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxHeld = 64 << 10 }, func(w *world) {
		hold := make(chan struct{})
		slow := w.add("slow", func(http.ResponseWriter, *http.Request) { <-hold })
		other := w.add("other", answers(http.StatusOK, "ok"))
		body := make([]byte, 10<<10)
		var refused error
		for i := range 20 {
			if refused = w.Submit(t.Context(), Call{Ref: slow, ID: string(rune('a' + i)), Body: body}); refused != nil {
				break
			}
			w.sleep(2 * time.Second) // for it to be counted
		}
		if !errors.Is(refused, fn.NoRoom) || fn.Hint(refused) == "" {
			t.Fatalf("twenty calls of 10 KiB with room for six: %v", refused)
		}
		if n := w.begun(""); n != 7 {
			t.Errorf("%d calls were accepted, want 7: the one that goes over the limit, too", n)
		}
		w.must(Call{Ref: other, ID: "other", Body: body})
		close(hold)
		w.sleep(2 * time.Second)
		w.must(Call{Ref: slow, ID: "again", Body: body})
	})
}
