// Package shrinkwrap lays a language template together with a function's
// folder, which makes the build context of an OpenFaaS function.
//
// The result is what "faas-cli build --shrinkwrap" leaves in build/NAME.
package shrinkwrap
