//go:build !linux

package rig

import "syscall"

// childAttr keeps a terminal's Ctrl-C from the child. Without Linux's death signal a child outlives a parent that is killed by force.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
