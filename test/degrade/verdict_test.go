package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"parley/test/crowd"
)

// good is the report of a run in which all went well.
func good() *report {
	quick := func(of string) switched {
		l := crowd.Summarize([]time.Duration{80 * time.Millisecond})
		return switched{of, l, l, l, l}
	}
	return &report{
		Bounds: bounds{Switch: time.Second, Ratio: 1.2},
		Switches: &switchesResult{Turns: 100, Moved: 10, OnSecond: 5, Running: 3, First: quick("the first"), All: quick("all"),
			PerServer: []switched{quick("server-1")}, PerWay: []switched{quick(openAPI)}},
		Young:  &youngResult{Turns: 10, New: quick("new"), Known: quick("known")},
		Storm:  &stormResult{Turns: 100, Ratio: 1.05, ThenRatio: 1.01, Most: 2, Opened: time.Second, Settled: time.Second},
		Keys:   &keysResult{keys: keys{Limit: 5}, Fleets: []fleetResult{{Servers: 4, Most: map[string]int{"ab12": 5}}}},
		Outage: &outageResult{outage: outage{Restarts: 1}, Turns: 10, Refused: 3, First: []string{second}},
	}
}

func TestVerdict(t *testing.T) {
	if err := good().verdict(); err != nil {
		t.Fatalf("a good run: %v", err)
	}
	for _, tc := range []struct {
		name   string
		change func(*report)
		want   string
	}{
		{"a failed turn", func(r *report) { r.Switches.Failed = 1 }, "switches: 1 turns failed"},
		{"a command's complaint", func(r *report) { r.Switches.Faults = []string{"not every server"} }, "not every server"},
		{"no load", func(r *report) { r.Switches.Running = 0 }, "no load"},
		{"not seen", func(r *report) { r.Switches.Unseen = 1 }, "1 were not seen"},
		{"never seen", func(r *report) { r.Young.New = switched{Of: "new"} }, "new: no turn saw"},
		{"late", func(r *report) { r.Switches.All.Last.P99 = 2 * time.Second }, "p99 2s"},
		{"late when young", func(r *report) { r.Young.New.Last.P99 = 2 * time.Second }, "young: new: p99 2s"},
		{"late on a known document", func(r *report) { r.Young.Known.Last.P99 = 2 * time.Second }, "young: known: p99 2s"},
		{"a server that never switched", func(r *report) { r.Young.Faults = []string{"young-1: no turn"} }, "young-1: no turn"},
		{"not answered in the storm", func(r *report) { r.Storm.Failed = 1 }, "storm: 1 of 100"},
		{"too many tries", func(r *report) { r.Storm.Most = 4 }, "a turn cost 4 calls"},
		{"too many calls", func(r *report) { r.Storm.ThenRatio = 1.3 }, "1.300 calls a turn after"},
		{"too many calls at first", func(r *report) { r.Storm.Ratio = 1.3 }, "1.300 calls a turn in all"},
		{"never open", func(r *report) { r.Storm.Opened = -1 }, "breaker was open"},
		{"never back", func(r *report) { r.Storm.Settled = -1 }, "did not return"},
		{"over a key's limit", func(r *report) { r.Keys.Fleets[0].Most["ab12"] = 6 }, "6 calls at once"},
		{"below a key's limit", func(r *report) { r.Keys.Fleets[0].Most["ab12"] = 4 }, "4 calls at once"},
		{"no calls with a key", func(r *report) { r.Keys.Fleets[0].Most = nil }, "saw 0 keys"},
		{"people not answered", func(r *report) { r.Keys.Fleets[0].Failed = 2 }, "2 people were not answered"},
		{"not degraded without Nacos", func(r *report) { r.Outage.Failed = 1 }, "outage: 1 of 10"},
		{"not refused", func(r *report) { r.Outage.Refused = 2 }, "2 of 3 servers refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := good()
			tc.change(r)
			if err := r.verdict(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	r := good()
	r.Outage.Faults = []string{"a turn of acme went astray"}
	table := r.table()
	for _, want := range []string{"server-1", openAPI, "the first", "1.050 (0), at most 2", "key ab12: 5", "went to chatglm", "went astray", "p99   80"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
	r.Storm.Opened = -1
	if !strings.Contains(r.table(), "never") {
		t.Error("a breaker that never opened has a time")
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}
