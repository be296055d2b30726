// Package simulate runs several client services over one store in simulated time, with everything around them simulated from a seed: people who
// write and platforms that deliver twice, servers that fail or hang, a store whose steps fail before or after they took effect, processes that
// are killed or stand still in the middle of a step, operators who switch. A ledger beside the store checks at each step, and at the end, that
// every message got one visible reply or a reason, in order, and that histories, usage and budgets are whole.
//
// A seed decides everything: each draw depends on the seed and on what it is for, never on which goroutine came first, and every step takes a
// time of its own, so that no two things happen at one instant. What it does not simulate is Redis: that a step is atomic there is proved with
// a real one.
package simulate
