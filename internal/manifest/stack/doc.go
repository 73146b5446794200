// Package stack reads OpenFaaS's stack.yaml, the file that says what functions
// a project has.
//
// Beside it lie the files that belong to it: template.yml of a language
// template, environment files, the list of a template store. Text becomes
// values; every mistake is found in one pass, each with its line, and a key
// nobody knows is a warning, as faas-cli passes over it. The package opens no
// file and reads no environment: callers hand both in.
package stack
