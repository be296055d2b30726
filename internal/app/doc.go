// Package app wires Parley's parts into its roles: a client service, a server, and everything embedded for development. Each role is one Run
// function that blocks until its context ends, so that tests run whole programs. The operators' commands are in operate; what both are wired
// with is in wire.
package app
