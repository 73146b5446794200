// Package process runs instances as sandboxed processes of this host.
//
// A sandbox is made by one clone and one execve from the server itself: the
// calls that lock it in are compiled beforehand (package plan) and made by the
// child on the way (package launch). As root a sandbox has its own mounts,
// processes, network, users and control group; without root it has as much of
// that as the host allows, and Report says what is missing. Images and
// registries are not its business: it mounts folders it is given.
package process
