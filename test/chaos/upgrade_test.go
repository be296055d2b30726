package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/test/rig"
)

// TestUpgradeAndRollback is a shorter run of the command with -old HEAD~1. It shares the Nacos of other tests, which it only cuts off.
func TestUpgradeAndRollback(t *testing.T) {
	nacos := rig.Need(t)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	p := plan{
		seed: uint64(time.Now().UnixNano()), length: 40 * time.Second, rate: 15, settle: 3 * time.Minute, nacos: nacos, old: "HEAD~1",
		manners: manners{turns: 4, eager: 20, burst: 5, stops: 5, patience: 20 * time.Second},
		only:    func(lane string) bool { return lane != "nacos" && lane != "llm" && lane != "wecom" },
	}
	r, err := p.run(ctx, t.Output())
	if errors.Is(err, errNoRevision) {
		t.Skip("UPGRADE AND ROLLBACK ARE NOT TESTED: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	if !r.ok() {
		t.Fail()
	}
}

func TestPick(t *testing.T) {
	b := &binaries{old: "o", new: "n", random: rand.New(rand.NewPCG(1, 2))}
	for forced, want := range map[string]map[string]bool{"": {"o": true, "n": true}, "o": {"o": true}, "n": {"n": true}} {
		b.only(forced)
		got := map[string]bool{}
		for range 50 {
			got[b.pick()] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("only %q (-want +got):\n%s", forced, diff)
		}
	}
}

func TestMixedNeedsAWayThereAndBack(t *testing.T) {
	for ran, want := range map[string]bool{"": false, "old": false, "new": false, "old new": false, "new old": true, "old new new old": true} {
		t.Run(ran, func(t *testing.T) {
			p := &player{victim: victim{name: "client-1"}}
			for name := range strings.FieldsSeq(ran) {
				p.ran = append(p.ran, "/tmp/x/"+name+"/parley")
			}
			var r result
			r.mixed([]*player{p})
			if got := len(r.Account.Faults) == 0; got != want {
				t.Errorf("%v: %v", got, r.Account.Faults)
			}
		})
	}
}

func TestBuildBothSaysWhatIsMissing(t *testing.T) {
	_, err := buildBoth(t.Context(), "no-such-revision")
	if !errors.Is(err, errNoRevision) || !strings.Contains(err.Error(), "no-such-revision") {
		t.Errorf("%v", err)
	}
	t.Run("in a shallow clone", func(t *testing.T) {
		root, err := rig.Root(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if said, err := command(t.Context(), dir, "git", "clone", "-q", "--depth", "1", "file://"+root, "."); err != nil {
			t.Skip("no clone can be made here: ", said)
		}
		if _, err := find(t.Context(), dir, "HEAD~1"); !errors.Is(err, errNoRevision) || !strings.Contains(err.Error(), "--unshallow") {
			t.Errorf("%v", err)
		}
	})
	t.Run("outside a clone", func(t *testing.T) {
		if _, err := find(t.Context(), t.TempDir(), "HEAD~1"); !errors.Is(err, errNoRevision) || !strings.Contains(err.Error(), "git clone") {
			t.Errorf("%v", err)
		}
	})
}
