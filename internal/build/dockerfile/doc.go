// Package dockerfile reads what a Dockerfile says about running its image.
//
// It reads the text alone: nothing is run, no image is fetched. Where the last
// stage builds on an earlier one it takes over what that one says.
package dockerfile
