package main

const (
	nsDelta     = 268 - 308
	readvNr     = 270
	finitNr     = 273
	bpfNr       = 280
	userfaultNr = 282
	handleNr    = 265
)
