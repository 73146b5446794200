// Package deployment says what OpenFaaS's words for a function mean here.
//
// It translates both ways: Translate turns a deployment into a spec, labels,
// annotations; Describe turns those back into the words they came from. What
// OpenFaaS can say and Rouse cannot is kept in annotations whose names begin
// with Kept. Nothing is looked up: what a deployment leaves to a revision or
// to an image is the caller's to fill in, so that a server and a command line
// read the same text in the same way.
package deployment
