package main

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestEveryMessageIsAnsweredOnce is a smaller run of the command, with the same kills.
func TestEveryMessageIsAnsweredOnce(t *testing.T) {
	need := func(ok bool, what string) {
		t.Helper()
		if ok {
			return
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s: whole programs cannot be tested", what)
		}
		t.Skipf("WHOLE PROGRAMS ARE NOT TESTED: %s; make test has both", what)
	}
	if testing.Short() {
		t.Skip("whole programs take half a minute")
	}
	_, err := exec.LookPath("redis-server")
	need(err == nil, "redis-server is not installed")
	need(os.Getenv("PARLEY_TEST_NACOS") != "", "PARLEY_TEST_NACOS is not set")

	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	p := plan{
		conversations: 150, turns: 3, eager: 20, burst: 5,
		spread: 15 * time.Second, patience: 90 * time.Second, seed: uint64(time.Now().UnixNano()),
	}
	r, err := p.run(ctx, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	if !r.ok() {
		t.Fail()
	}
}
