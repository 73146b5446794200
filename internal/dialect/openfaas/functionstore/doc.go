// Package functionstore serves the functions Rouse brings as an OpenFaaS
// function store.
//
// A store is a public list that faas-cli reads with "store list -u"; it is
// told no credentials. What is deployed from it comes by reference, see
// internal/bundles.
package functionstore
