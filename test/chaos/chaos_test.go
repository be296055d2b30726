package main

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestNothingIsLostInChaos is a shorter run of the command. It shares the Nacos of other tests, which it only cuts off.
func TestNothingIsLostInChaos(t *testing.T) {
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
		t.Skip("chaos takes three minutes")
	}
	_, err := exec.LookPath("redis-server")
	need(err == nil, "redis-server is not installed")
	nacos := os.Getenv("PARLEY_TEST_NACOS")
	need(nacos != "", "PARLEY_TEST_NACOS is not set")

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	p := plan{
		seed: uint64(time.Now().UnixNano()), length: 100 * time.Second, rate: 20, settle: 3 * time.Minute, nacos: nacos,
		manners: manners{turns: 6, eager: 20, burst: 5, stops: 5, patience: 20 * time.Second},
		only:    func(string) bool { return true },
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
