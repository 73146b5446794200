package memory_test

import (
	"bytes"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
	"rouse.dev/rouse/internal/queue/memory"
	"rouse.dev/rouse/internal/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	queuetest.Run(t, queuetest.Adapter{Forgets: true, New: func(*testing.T) queuetest.Open {
		return func(*testing.T) queuetest.Queue { return memory.New(memory.Config{}) }
	}})
}

func TestAFullQueueRefusesBeforeItAccepts(t *testing.T) {
	q := memory.New(memory.Config{MaxBytes: 10, MaxBody: 8})
	m := queue.Message{Stream: "a", Body: bytes.Repeat([]byte("x"), 4)}
	if err := q.Publish(t.Context(), m, m); err != nil {
		t.Fatal(err)
	}
	if err := q.Publish(t.Context(), m); !errors.Is(err, fn.Exhausted) {
		t.Errorf("got %v, want exhausted", err)
	}
	m.Body = make([]byte, 9)
	if err := q.Publish(t.Context(), m); !errors.Is(err, fn.TooLarge) {
		t.Errorf("got %v, want too large", err)
	}
}
