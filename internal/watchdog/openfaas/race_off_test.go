//go:build !race

package openfaas

const raceEnabled = false
