// Package builder answers the Function Builder API of OpenFaaS.
//
// A build context comes as a signed tar; it is built like any other source,
// without a container, and the image it names stands for it from then on.
// The shapes are those of github.com/openfaas/go-sdk/builder (v0.3.0).
package builder
