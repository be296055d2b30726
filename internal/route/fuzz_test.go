package route

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// FuzzParse: no document makes Parse panic; what it takes can be picked from, and what it refuses is explained within the document.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{example, good, "", "a: &x [*x]", "providers: {p: {dialect: openai, base_url: 'http://127.0.0.1', key: [env:A_API_KEY]}}",
		"? [a]\n: b\n", "providers: !!binary aGk=", "providers: {p: {<<: {dialect: simulated}}}", "%YAML 1.2\n---\n", "windows: {m: 0x7fffffffffffffff}", "\xff\xfe"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		table, err := Parse(doc, options())
		if err != nil {
			faults, ok := errors.AsType[*Faults](err)
			if !ok || len(faults.List) == 0 {
				t.Fatalf("an error without faults: %v", err)
			}
			for _, x := range faults.List {
				// A YAML line also ends in CR, NEL and the like, so lines are bounded by bytes.
				if x.Line < 0 || x.Line > len(doc)+2 || x.What == "" {
					t.Errorf("fault %+v in a document of %d bytes and %d newlines", x, len(doc), bytes.Count(doc, []byte("\n")))
				}
			}
			return
		}
		classes := table.Models("")
		if len(classes) == 0 {
			t.Fatal("a table without models passed")
		}
		for _, class := range classes {
			if choices, err := table.Pick(Want{Class: class}, nil); err != nil || len(choices) == 0 {
				t.Errorf("class %q: %v, %v", class, choices, err)
			}
		}
	})
}

// FuzzDegradation: whatever the switches say, a pick stays within what the tenant allows.
func FuzzDegradation(f *testing.F) {
	for _, seed := range []string{"", "switches: [{id: s, active: true, to: chatglm}]", "switches: [{id: s, active: true, to: sim/x, providers: [openai]}]",
		"switches: [{id: s, active: true, to: ernie, tenants: [acme], until: 2026-01-02T12:00:00Z}]",
		"switches: [{id: s, active: true, to: ernie, until: 2026-01-02T12:00:01Z, ramp: 2s}]"} {
		f.Add([]byte(seed), "acme", "openai")
	}
	table, err := Parse([]byte(example), options())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, doc []byte, tenant, allowed string) {
		d, err := ParseDegradation(doc, "", "")
		if err != nil {
			return
		}
		_ = d.Check(table, time.Now())
		for i := range d.Switches {
			if share := d.Switches[i].Share(noon); share < 0 || share > 1 || share > 0 && !d.Switches[i].InForce(noon) {
				t.Errorf("share %v of %+v", share, d.Switches[i])
			}
		}
		choices, err := table.Pick(Want{Tenant: tenant, Class: "chat", Allowed: []string{allowed}, Now: noon}, d)
		if (err == nil) != (len(choices) > 0) {
			t.Fatalf("%v and %v", choices, err)
		}
		for _, c := range choices {
			if c.Provider.Name != allowed {
				t.Errorf("picked %s, allowed %s", c.Provider.Name, allowed)
			}
		}
	})
}
