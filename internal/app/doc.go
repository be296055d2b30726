// Package app wires Parley's parts into its roles: a client service, a server, everything embedded for development, and the operator's
// commands. Each role is one Run function that blocks until its context ends, so that tests run whole programs.
package app
