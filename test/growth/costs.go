package main

import "time"

// Costs is what one message, and one turn in flight, took when it was measured: docs/performance.md has the tables and their commands.
type Costs struct {
	Client, Server, Redis time.Duration // CPU a message; people with 20 turns before, answers of 600 characters
	ClientTurn            int           // bytes of memory a turn in flight
	ServerTurn            int
	Conversation          int // bytes in Redis of a conversation with 20 such turns
	Remembered            int // bytes in Redis of a message's id, kept for 24 h
	Idle                  int // bytes of a process that does nothing
	// Beat is what a client service asks of Redis a second for each tenant when nothing happens, in commands, and Command what one costs there.
	Beat    float64
	Command time.Duration
	// Probe is the CPU, on both sides, of a client service's look whether a server lives: so often a second where it has turns, and where not.
	Probe                  time.Duration
	ProbesUsed, ProbesIdle float64
	// Sync is how long a master waits for its disk each time; what came meanwhile shares the next.
	Sync time.Duration
}

func measured() Costs {
	return Costs{
		Client: 400 * time.Microsecond, Server: 280 * time.Microsecond, Redis: 320 * time.Microsecond,
		ClientTurn: 40 << 10, ServerTurn: 40 << 10, Conversation: 45 << 10, Remembered: 110, Idle: 60 << 20,
		Beat: 64, Command: 550 * time.Nanosecond,
		Probe: 60 * time.Microsecond, ProbesUsed: 1 / 0.3, ProbesIdle: 1 / 2.0,
		Sync: 300 * time.Microsecond,
	}
}
