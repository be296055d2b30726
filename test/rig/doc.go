// Package rig runs whole Parley programs for tests and benchmarks: real processes of bin/parley over a real Redis and a real Nacos, with
// simulated outside parties. It starts, kills, pauses and measures them, and leaves nothing behind: every process ends with the rig, also
// when the rig itself is killed.
//
// Everything listens on loopback and keeps its files in one temporary folder. A rig has a Redis of its own and, in Nacos, a namespace of
// its own, so several can run side by side.
package rig
