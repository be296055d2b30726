package main

import (
	"os"
	"testing"
	"time"

	"parley/test/rig"
)

// TestMain lets the test's own program be the reverse proxy that it starts.
func TestMain(m *testing.M) {
	if !isFloor() {
		os.Exit(m.Run())
	}
}

// TestModes runs every mode for a moment with whole programs. It judges the ledgers alone: times are the machine's.
func TestModes(t *testing.T) {
	rig.Need(t)
	one, two := crew{Clients: 1, Servers: 1}, crew{Clients: 2, Servers: 2}
	f := flight{crew: two, Turns: 60, Rate: 60, Least: 2 * time.Second, Most: 3 * time.Second, Chars: 60}
	m := messages{crew: two, People: 100, AtOnce: 5, For: time.Second, History: 3, Chars: 100, Chunks: 5}
	b := bench{
		programs:  t.TempDir(),
		fsync:     []string{"everysec"},
		messages:  m,
		callbacks: callbacks{crew: one, Rate: 20, For: time.Second, People: 10, History: 2, Chars: 60, Chunks: 5},
		openai:    openai{crew: one, AtOnce: 2, Rate: 20, For: 100 * time.Millisecond, Chunks: 20},
		flight:    f,
		weight:    weight{flight: f.at(20), Few: 5, Many: 20, For: time.Second},
		traces:    traces{messages: m, Share: 1, Turns: 1, Slice: time.Second},
		delta:     delta{Rate: 5, For: time.Second},
	}
	if err := rig.Build(t.Context(), b.programs); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []string{"messages", "callbacks", "openai", "flight", "weight", "traces", "delta"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := b
			b.log = testLog{t}
			r, err := b.run(t.Context(), []string{mode})
			if err != nil {
				t.Fatal(err)
			}
			if len(r.parts()) != 1 {
				t.Fatalf("%d results", len(r.parts()))
			}
			t.Log(r.table())
		})
	}
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) { l.t.Logf("%s", p); return len(p), nil }
