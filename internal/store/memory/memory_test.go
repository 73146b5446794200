package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/memory"
	"rouse.dev/rouse/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memory.New(memory.Config{}) })
}
