package store_test

import (
	"context"
	"errors"
	"fmt"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/memory"
)

// An update names the version it was made from, so that of two that were made
// from the same one only the first succeeds.
func ExampleStore_optimisticConcurrency() {
	ctx := context.Background()
	s := memory.New(memory.Config{})
	defer s.Close()
	key := store.Key{Kind: "functions", Namespace: "default", Name: "hello"}

	versions, err := s.Apply(ctx, store.Change{Key: key, Value: []byte(`{"replicas":0}`)})
	fmt.Println(versions, err)

	update := store.Change{Key: key, Value: []byte(`{"replicas":1}`), IfVersion: versions[0]}
	versions, err = s.Apply(ctx, update)
	fmt.Println(versions, err)
	_, err = s.Apply(ctx, update)
	fmt.Println(errors.Is(err, fn.Conflict), err)

	// Output:
	// [1] <nil>
	// [2] <nil>
	// true functions default/hello is at version 2, wanted 1
}

// A cache lists once, then follows the changes after the version of the list.
func ExampleStore_listThenWatch() {
	ctx := context.Background()
	s := memory.New(memory.Config{})
	defer s.Close()
	put := func(name string) {
		c := store.Change{Key: store.Key{Kind: "functions", Name: name}, Value: []byte("{}")}
		if _, err := s.Apply(ctx, c); err != nil {
			fmt.Println(err)
		}
	}
	put("a")
	put("b")

	query := store.Query{Kind: "functions"}
	objects, version, err := s.List(ctx, query)
	fmt.Println(len(objects), version, err)
	put("c")
	for e, err := range s.Watch(ctx, query, version) {
		if errors.Is(err, fn.Exhausted) {
			fmt.Println("fell behind: list again")
		}
		fmt.Println(e.Key, e.Version, e.Deleted, err)
		break
	}

	// Output:
	// 2 2 <nil>
	// functions c 3 false <nil>
}
