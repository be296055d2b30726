package redisstore

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/internal/audit"
	"parley/internal/chat"
	"parley/internal/conversation/storetest"
)

const keepAudit = 200 * 24 * time.Hour

// wholeAudit reads a log page by page, oldest first.
func wholeAudit(t *testing.T, s *Store, log string) (all []audit.Entry) {
	t.Helper()
	for before := int64(0); ; {
		page, err := s.Audit(t.Context(), log, before, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			slices.Reverse(all)
			return all
		}
		all, before = append(all, page...), page[len(page)-1].Seq
	}
}

// TestAuditByMany: many who write at once make one chain, and each log is its own.
func TestAuditByMany(t *testing.T) {
	everywhere(t, func(t *testing.T, _ storetest.Harness, s *Store) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 5 {
					e := audit.Entry{By: fmt.Sprint("operator ", i), Via: audit.ViaCommand, Action: "degrade", Reason: fmt.Sprint(j), Details: map[string]string{"revision": "abc"}}
					if got, err := s.Record(t.Context(), audit.Operators, e, keepAudit); err != nil || got.By != e.By || got.Hash == "" {
						t.Errorf("%+v, %v", got, err)
					}
				}
			})
		}
		wg.Wait()
		if _, err := s.Record(t.Context(), "acme", audit.Entry{Action: "forget", Tenant: "acme", Via: audit.ViaChat}, keepAudit); err != nil {
			t.Fatal(err)
		}
		all := wholeAudit(t, s, audit.Operators)
		if len(all) != 40 || all[0].Seq != 1 {
			t.Fatalf("%d entries from %d on", len(all), all[0].Seq)
		}
		if f := audit.Verify(all, keepAudit, time.Now()); f != nil {
			t.Error(f)
		}
		if acme := wholeAudit(t, s, "acme"); len(acme) != 1 || acme[0].Action != "forget" || acme[0].Prev != "" {
			t.Errorf("%+v", acme)
		}
	})
}

// TestAuditEnds: entries go when their time is over, some at each writing, and the chain of what is left is whole.
func TestAuditEnds(t *testing.T) {
	everywhere(t, func(t *testing.T, h storetest.Harness, s *Store) {
		var last audit.Entry
		for i := range 100 {
			e, raw, err := audit.Seal(last, audit.Entry{Action: "restore"}, time.Now().Add(-keepAudit-90*time.Minute).Add(time.Duration(i)*time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.rdb.Do(t.Context(), "XADD", auditKey(""), auditID(e.Seq), "e", raw).Err(); err != nil {
				t.Fatal(err)
			}
			last = e
		}
		for range 3 {
			if _, err := s.Record(t.Context(), audit.Operators, audit.Entry{Action: "degrade"}, keepAudit); err != nil {
				t.Fatal(err)
			}
		}
		all := wholeAudit(t, s, audit.Operators)
		if all[0].Seq != 92 || len(all) != 9+3 {
			t.Errorf("%d entries from %d on; 91 were over, 9 and the three new ones are not", len(all), all[0].Seq)
		}
		if f := audit.Verify(all, keepAudit, time.Now()); f != nil {
			t.Error(f)
		}
		if ttl := h.Keys()[auditKey("")]; ttl < keepAudit {
			t.Errorf("the log itself ends after %v", ttl)
		}
	})
}

// TestAuditRobbed: that newest entries were taken away is found, and keeps nobody from writing. miniredis forgets the ids of what is gone.
func TestAuditRobbed(t *testing.T) {
	byItsClock(t, func(t *testing.T, s *Store) {
		record := func() audit.Entry {
			t.Helper()
			e, err := s.Record(t.Context(), audit.Operators, audit.Entry{Action: "drop"}, keepAudit)
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		for range 9 {
			record()
		}
		if err := s.rdb.XDel(t.Context(), auditKey(""), auditID(9), auditID(8), auditID(7), auditID(6), auditID(5)).Err(); err != nil {
			t.Fatal(err)
		}
		after := record()
		if f := audit.Verify(wholeAudit(t, s, audit.Operators), keepAudit, time.Now()); len(f) != 1 || f[0].Seq != after.Seq {
			t.Errorf("%v; want it found at %d", f, after.Seq)
		}
	})
}

func TestAuditRefuses(t *testing.T) {
	s := miniHarness(t).Store.(*Store)
	if _, err := s.Record(t.Context(), audit.Operators, audit.Entry{Action: "drop"}, time.Hour); chat.KindOf(err) != chat.Invalid {
		t.Error("kept for an hour:", err)
	}
	if _, err := s.Record(t.Context(), audit.Operators, audit.Entry{}, keepAudit); chat.KindOf(err) != chat.Invalid {
		t.Error("no action:", err)
	}
}
