package main

const (
	nsDelta     = 0
	readvNr     = 310
	finitNr     = 313
	bpfNr       = 321
	userfaultNr = 323
	handleNr    = 304
)
