// Package memstore keeps conversations in process memory under the same contract as the Redis store ([conversation.Store] and the ports
// of channel). It is for simulations, examples and tests: deterministic, with the caller's clock, and without goroutines or timers of its
// own, so that it runs inside a testing/synctest bubble. Nothing in it survives the process.
package memstore
