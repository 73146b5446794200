// Package cgroup bounds what groups of processes use of the host.
//
// It limits, freezes and measures them.
//
// It works with version 1, version 2 and any mixture: for each controller it
// finds out by doing which hierarchy has it. Each instance gets one group: a
// folder of the same name in every hierarchy in use, below
// rouse/<server id>. Which process joins is not its business, apart from
// handing out the descriptors to do it with.
package cgroup
