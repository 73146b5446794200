// Package openfaas answers OpenFaaS's clients in their own words.
//
// It translates: paths, bodies, status codes, defaults, names of labels. The
// functions are the same that the native API shows, and everything that is
// done to them is done by package control. What a deployment means is for
// package deployment to say.
//
// The contract is the public one of OpenFaaS's gateway and of faas-cli.
package openfaas
