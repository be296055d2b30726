package rig

import "syscall"

// childAttr ends the child when its parent dies, and keeps a terminal's Ctrl-C from it: only the rig ends it, in its own order.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
