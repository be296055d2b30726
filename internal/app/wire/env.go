package wire

import "io"

// Env is what a role or a command gets from the process that runs it.
type Env struct {
	Stdout, Stderr io.Writer
	Version        string // of this program, as `parley version` prints it
	By             string // who acts, for the audit; empty: the login and the machine
	Via            string // how, one of audit's ways; empty: a command
}
