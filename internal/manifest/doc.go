// Package manifest reads rouse.yaml, the file that says what functions there
// are.
//
// It turns text into fn values and finds every mistake in one pass, each with
// its line; it opens no file, builds nothing and fills in no defaults. What a
// value may be is fn's to say, see fn.ValidateSpec.
package manifest
