package operate

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/app/wire"
	"parley/internal/route"
	"parley/internal/rpc"
)

func mustDegradation(t *testing.T, doc string) *route.Degradation {
	t.Helper()
	d, err := route.ParseDegradation([]byte(doc), "", "")
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return d
}

// TestRampEdits walks one document through a ramp: begun, begun again, ended, wholly degraded.
func TestRampEdits(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	doc := []byte("switches:\n  - {id: a, active: true, to: chatglm, reason: outage} # why\n  - {id: b, active: true, to: ernie, until: \"2026-01-01T00:00:00Z\"}\n  - {id: c, active: false, to: ernie}\n")
	type state struct {
		Active     bool
		Until      string
		Ramp       time.Duration
		Reason, By string
	}
	look := func() map[string]state {
		all := map[string]state{}
		for _, s := range mustDegradation(t, string(doc)).Switches {
			x := state{Active: s.Active, Ramp: s.Ramp, Reason: s.Reason, By: s.By}
			if !s.Until.IsZero() {
				x.Until = s.Until.UTC().Format(time.TimeOnly)
			}
			all[s.ID] = x
		}
		return all
	}
	restore := func(o RestoreOptions) func(*switchEdit) (restored, error) {
		return func(e *switchEdit) (restored, error) { return e.restore(o, mustDegradation(t, string(doc)), "li", now) }
	}
	degrade := func(o DegradeOptions) func(*switchEdit) (restored, error) {
		return func(e *switchEdit) (restored, error) { e.degrade(o, "wu", now); return restored{}, nil }
	}
	off := state{By: "li"}
	for _, step := range []struct {
		name  string
		edit  func(*switchEdit) (restored, error)
		after time.Duration
		done  []string
		notes int
		want  map[string]state
	}{
		{"begun: what is over is switched off", restore(RestoreOptions{Ramp: 15 * time.Minute, Reason: "back"}), 0, []string{"a", "b"}, 0,
			map[string]state{"a": {true, "12:15:00", 15 * time.Minute, "back", "li"}, "b": {Reason: "back", By: "li"}, "c": {}}},
		{"again: who has returned stays", restore(RestoreOptions{Ramp: 15 * time.Minute}), 5 * time.Minute, nil, 1,
			map[string]state{"a": {true, "12:15:00", 15 * time.Minute, "back", "li"}, "b": {Reason: "back", By: "li"}, "c": {}}},
		{"wholly degraded again", degrade(DegradeOptions{To: "chatglm", ID: "a", Reason: "again"}), 0, nil, 0,
			map[string]state{"a": {true, "", 0, "again", "wu"}, "b": {Reason: "back", By: "li"}, "c": {}}},
		{"with an end and a ramp", degrade(DegradeOptions{To: "chatglm", ID: "a", For: 2 * time.Hour, Ramp: time.Hour}), 0, nil, 0,
			map[string]state{"a": {true, "14:05:00", time.Hour, "", "wu"}, "b": {Reason: "back", By: "li"}, "c": {}}},
		{"another's reason goes", degrade(DegradeOptions{To: "chatglm", ID: "a", For: 2 * time.Hour, Ramp: time.Hour, Reason: "outage"}), 0, nil, 0,
			map[string]state{"a": {true, "14:05:00", time.Hour, "outage", "wu"}, "b": {Reason: "back", By: "li"}, "c": {}}},
		{"at once, within the ramp", restore(RestoreOptions{IDs: []string{"a"}}), 90 * time.Minute, []string{"a"}, 0,
			map[string]state{"a": off, "b": {Reason: "back", By: "li"}, "c": {}}},
		{"nothing is left", restore(RestoreOptions{Ramp: time.Minute}), 0, nil, 0, map[string]state{"a": off, "b": {Reason: "back", By: "li"}, "c": {}}},
	} {
		now = now.Add(step.after)
		e, err := editSwitches(doc)
		if err != nil {
			t.Fatal(err)
		}
		done, err := step.edit(e)
		if err != nil {
			t.Fatal(err)
		}
		if doc, _, err = e.result(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.done, done.ids); diff != "" || len(done.notes) != step.notes {
			t.Errorf("%s: notes %v %s", step.name, done.notes, diff)
		}
		if diff := cmp.Diff(step.want, look()); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
	if !strings.Contains(string(doc), "# why") {
		t.Errorf("the comment is gone:\n%s", doc)
	}
}

// A document without the list is none that servers take; a command makes one of it, and keeps what is written beside.
func TestOpenSwitches(t *testing.T) {
	for doc, want := range map[string]string{
		"":                    "switches: []\n",
		"null\n":              "switches: []\n",
		"{}\n":                "switches: []\n",
		"# why\n":             "# why\nswitches: []\n",
		"# why\nswitches:\n":  "# why\nswitches: []\n",
		"switches: [{id: a}]": "",
		"switches: []":        "",
	} {
		e, was, err := openSwitches([]byte(doc))
		if err != nil || e.blank != (want != "") {
			t.Errorf("%q: blank %v, %v", doc, e != nil && e.blank, err)
			continue
		}
		if got, err := e.bytes(); want != "" && (err != nil || string(got) != want || len(was.Switches) != 0) {
			t.Errorf("%q: %v became %q, %v", doc, was, got, err)
		}
	}
	for _, doc := range []string{"switch: []\n", "switches: {id: a}\n", "- a\n", "a: [", "switches: [{id: a, active: yes}]"} {
		if e, was, err := openSwitches([]byte(doc)); err == nil || !strings.Contains(err.Error(), "mend it by hand first") {
			t.Errorf("%q: %v, %v, %v", doc, e, was, err)
		}
	}
}

// Servers of an older release refuse keys that they do not know.
func TestNoRampIsNotWritten(t *testing.T) {
	e, err := editSwitches(nil)
	if err != nil {
		t.Fatal(err)
	}
	e.degrade(DegradeOptions{To: "chatglm"}, "li", time.Now())
	content, _, err := e.result()
	if err != nil || strings.Contains(string(content), "ramp") {
		t.Errorf("%v\n%s", err, content)
	}
}

func TestBriefly(t *testing.T) {
	for d, want := range map[time.Duration]string{15 * time.Minute: "15m", 2 * time.Hour: "2h", 10 * time.Second: "10s", 20 * time.Minute: "20m",
		90 * time.Minute: "1h30m", 10*time.Hour + 10*time.Second: "10h0m10s", 100 * time.Minute: "1h40m"} {
		if got := briefly(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestStatusOfSwitches(t *testing.T) {
	table, err := route.Parse([]byte(planRoutes), route.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	print := func(doc string, servers ...serverReport) string {
		r := StatusReport{Servers: servers, Switches: &switchesReport{Switches: []switchReport{}}}
		if doc != "" {
			r.Switches = reportSwitches([]byte(doc), table, now)
		}
		var out bytes.Buffer
		if err := r.print(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	old := keeps("s0", "r0")
	old.Documents[0].InForce = ""
	broken := healthy("s1")
	broken.Providers[0].Open, broken.Providers[0].Resting, broken.Providers[2].Keys = true, 1, 0
	for name, test := range map[string]struct {
		got  string
		want []string
	}{
		"in force": {print("switches: [{id: a, active: true, to: chatglm, by: li, reason: outage}, {id: b, active: false, to: local/x}]"),
			[]string{"a       chatglm  every tenant  restored  100%   li  outage"}},
		"returning": {print(`switches: [{id: a, active: true, to: chatglm, tenants: [acme], providers: [openai], until: "2026-01-02T12:05:00Z", ramp: 10m}]`),
			[]string{"acme, instead of openai", "2026-01-02T12:05:00Z, ramp 10m", "50%"}},
		"over": {print(`switches: [{id: a, active: true, to: chatglm, until: "2026-01-02T12:00:00Z"}]`), []string{"no switch is in force",
			`switch "a" is over by its until (2026-01-02T12:00:00Z): set a new one, or remove it`}},
		"below another": {print("switches: [{id: a, active: true, to: chatglm}, {id: b, active: true, to: local/x, tenants: [acme]}]"),
			[]string{`switch "b" has no effect: an earlier switch "a" decides`}},
		"an unknown provider": {print("switches: [{id: a, active: true, to: chatglm, providers: [opnai]}]"),
			[]string{`switch "a" names the provider opnai, which parley-routes does not have; there are chatglm, local, openai`}},
		"split": {print("switches: [{id: a, activ: true}]", keeps("s1", "r1"), keeps("s2", ""), keeps("s3", "r1")),
			[]string{"all → chatglm  parley-degradation@r1", "s1,s3", "none           parley-degradation@- (it has had no good form since it started)  s2", "the fleet is split"}},
		"an older release":         {print("switches: [{id: a, activ: true}]", old), []string{"(not told: an older release)  parley-degradation@r0  s0"}},
		"without effect":           {print("switches: [{id: a, active: true, to: openai, providers: [openai]}]"), []string{`switch "a" has no effect: turns go to openai anyway`}},
		"faulty":                   {print("switches: [{id: a, active: yes, to: openai}]"), []string{"is faulty and comes into force nowhere; servers keep", "active: must be true or false"}},
		"leads nowhere":            {print("switches: [{id: a, active: true, to: gemini}]"), []string{"is faulty", "gemini"}},
		"gone":                     {print("", keeps("s1", "r1")), []string{"does not exist any more; servers keep", "`parley restore` ends the degradation, the same `parley degrade …` again keeps it", "all → chatglm  parley-degradation@r1  s1"}},
		"never was":                {print("", keeps("s1", "")), []string{"no switch is in force"}},
		"not yet everywhere":       {print("switches: []", keeps("s1", "r1")), []string{"all → chatglm  parley-degradation@r1  s1"}},
		"trouble at a provider":    {print("", broken), []string{"s1      chatglm   its breaker is open, 1 of 2 keys rest", "s1      openai    without key"}},
		"one that does not answer": {print("", serverReport{Address: "s1", Error: "connection refused"}), []string{"s1 does not answer: connection refused"}},
	} {
		for _, want := range test.want {
			if !strings.Contains(test.got, want) {
				t.Errorf("%s: %q is not in:\n%s", name, want, test.got)
			}
		}
	}
}

// keeps is a server with a form of parley-degradation in force, of a document that is gone.
func keeps(address, revision string) serverReport {
	s := healthy(address)
	d := rpc.Document{Name: wire.DegradationDocument, Revision: revision, InForce: "none"}
	if revision != "" {
		d.InForce = "all → chatglm"
		d.Refused = "the document has disappeared"
	}
	s.Documents = []rpc.Document{d}
	return s
}
