package realdeps

import "syscall"

// childAttr ends the child when its parent dies, and keeps a terminal's Ctrl-C from it: only Stop ends it, after the tests.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
