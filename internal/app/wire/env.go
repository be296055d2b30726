package wire

import "io"

// Env is what a role or a command gets from the process that runs it.
type Env struct {
	Stdout, Stderr io.Writer
	Version        string // of this program, as `parley version` prints it
}
