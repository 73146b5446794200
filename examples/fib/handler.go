// Package fib computes Fibonacci numbers.
package fib

import (
	"context"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// maxN keeps one call below a second.
const maxN = 1_000_000

// badInput is an error that answers 400.
type badInput string

func (e badInput) Error() string   { return string(e) }
func (e badInput) StatusCode() int { return 400 }

// Handle answers the body's n with the n-th Fibonacci number.
func Handle(ctx context.Context, body string) (string, error) {
	n, err := strconv.Atoi(strings.TrimSpace(body))
	if err != nil || n < 0 || n > maxN {
		return "", badInput(fmt.Sprintf("send a number from 0 to %d as the body", maxN))
	}
	f, err := fibonacci(ctx, n)
	if err != nil {
		return "", err
	}
	return f.String() + "\n", nil
}

// fibonacci doubles its way up: F(2k) = F(k)(2F(k+1)-F(k)) and
// F(2k+1) = F(k)²+F(k+1)².
func fibonacci(ctx context.Context, n int) (*big.Int, error) {
	a, b := big.NewInt(0), big.NewInt(1)
	var t, u big.Int
	for bit := 31; bit >= 0; bit-- {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t.Lsh(b, 1).Sub(&t, a).Mul(&t, a)
		u.Mul(a, a)
		b.Mul(b, b).Add(b, &u)
		a.Set(&t)
		if n>>bit&1 == 1 {
			a.Add(a, b)
			a, b = b, a
		}
	}
	return a, nil
}
