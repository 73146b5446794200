// Package fetch brings language templates into a project.
//
// They come from a Git repository, by the program git, or from a folder; a
// store is a list of where they are. What is fetched is trusted with nothing:
// no hook of it runs, no link of it leads out of its folder.
package fetch
