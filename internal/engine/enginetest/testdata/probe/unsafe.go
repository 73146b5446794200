package main

import "unsafe"

func ptr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// poke writes where nothing is.
//
//go:noinline
func poke() {
	var nothing *int
	*nothing = 1
}
