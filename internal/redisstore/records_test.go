package redisstore

import (
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/conversation/storetest"
)

// recordsOf reads all records of a tenant, a few at a time.
func recordsOf(t *testing.T, s *Store, tenant string) (all []conversation.CallRecord) {
	t.Helper()
	for _, shard := range allShards(tenant) {
		for last := ""; ; {
			list, next, err := s.Records(t.Context(), shard, last, 3)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			all, last = append(all, list...), next
		}
	}
	return all
}

func call(turn string, in, out int) chat.Spend {
	return chat.Spend{Provider: "openai", Model: "gpt-4o", Own: true, Usage: chat.Usage{Input: in, Cached: 1, Output: out, Reasoning: 2},
		For: chat.Errand{Channel: "app", Turn: turn, Attempt: 2, At: time.Now()}}
}

// TestRecords: what is counted is kept as records, once however often it is told, and both come to the same.
func TestRecords(t *testing.T) {
	everywhere(t, func(t *testing.T, h storetest.Harness, s *Store) {
		s.KeepRecords(RecordOptions{Keep: time.Hour, People: true})
		spend := func(index int, fence int64, calls ...chat.Spend) {
			t.Helper()
			c := conversation.Claim{Shard: conversation.Shard{Tenant: "acme", Index: index}, Fence: fence}
			for range 2 { // the second time is a repetition
				if err := s.Spend(t.Context(), c, "zhang", calls); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := range 10 {
			spend(i%3, int64(i+1), call("t1", 100+i, 10), call("t1", 0, 0), call("t1", 7, 3))
		}
		all := recordsOf(t, s, "acme")
		if len(all) != 20 {
			t.Fatalf("%d records of 20 calls that cost something", len(all))
		}
		seen, sum := map[string]bool{}, conversation.Tokens{}
		for _, r := range all {
			if r.ID == "" || seen[r.ID] || r.Tenant != "acme" || r.User != "zhang" || r.Turn != "t1" || r.Channel != "app" || r.Attempt != 2 || !r.Own || r.At.IsZero() {
				t.Fatalf("%+v", r)
			}
			seen[r.ID] = true
			sum = sum.Plus(conversation.Tokens{Calls: 1, Input: r.Input, Cached: r.Cached, Output: r.Output, Reasoning: r.Reasoning})
		}
		now, err := s.rdb.Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := h.Keys()[prefix(conversation.Shard{Tenant: "acme"})+"records"]; !ok {
			t.Error("no stream")
		}
		for k, ttl := range h.Keys() {
			if ttl <= 0 {
				t.Errorf("%s has no end", k)
			}
		}
		u, err := s.Usage(t.Context(), "acme", conversation.DayOf(now))
		if err != nil || len(u.Items) != 1 || u.Items[0].Tokens != sum {
			t.Errorf("%v: usage %+v, records %+v", err, u.Items, sum)
		}
	})
}

// TestRecordsEnd: what is older than they are kept goes as new ones come, but for what Redis has not come round to.
func TestRecordsEnd(t *testing.T) {
	h := miniHarness(t)
	s := h.Store.(*Store)
	s.KeepRecords(RecordOptions{Keep: time.Hour})
	for i := range 5 {
		if err := s.Spend(t.Context(), conversation.Claim{Shard: conversation.Shard{Tenant: "acme"}, Fence: int64(i + 1)}, "zhang", []chat.Spend{call("t", 1, 1)}); err != nil {
			t.Fatal(err)
		}
		h.Advance(25 * time.Minute)
	}
	all := recordsOf(t, s, "acme")
	if len(all) != 3 {
		t.Errorf("%d records of the last hour, of five in two", len(all))
	}
	for _, r := range all {
		if r.User != "" {
			t.Errorf("a person is named, who was not to be: %+v", r)
		}
	}
}

// TestNoRecords: nothing is kept that nobody asked for.
func TestNoRecords(t *testing.T) {
	s := miniHarness(t).Store.(*Store)
	if err := s.Spend(t.Context(), conversation.Claim{Shard: conversation.Shard{Tenant: "acme"}, Fence: 1}, "zhang", []chat.Spend{call("t", 1, 1)}); err != nil {
		t.Fatal(err)
	}
	if all := recordsOf(t, s, "acme"); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}
