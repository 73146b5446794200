package shop

import (
	"context"
	"errors"
	"net/http"
)

type Order struct{ Items []int }

type Total struct {
	Sum int `json:"sum"`
}

type made struct{ Total }

func (made) StatusCode() int { return 201 }
func (made) Header() http.Header {
	return http.Header{"x-made": {"yes"}}
}

type empty struct{}

func (empty) Error() string   { return "nothing was ordered" }
func (empty) StatusCode() int { return 422 }

func Handle(ctx context.Context, o Order) (any, error) {
	switch {
	case len(o.Items) == 0:
		return nil, empty{}
	case o.Items[0] < 0:
		return nil, errors.New("negative")
	case o.Items[0] == 0:
		return func(yield func(string) bool) {
			for _, s := range []string{"a", "b"} {
				if !yield(s) {
					return
				}
			}
		}, nil
	}
	t := Total{}
	for _, n := range o.Items {
		t.Sum += n
	}
	if o.Items[0] == 1 {
		return made{t}, nil
	}
	return t, nil
}
