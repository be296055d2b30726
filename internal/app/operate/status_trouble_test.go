package operate

import (
	"bytes"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/rpc"
)

func TestStatusOfKeys(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)
	s := serverReport{Address: "s1", Alone: "nobody listens", Providers: []chat.ProviderState{
		{Name: "chatglm", Keys: 2, Resting: 2, NeedsKey: true, Unresolved: 1, Rests: []chat.KeyRest{
			{Fingerprint: "0a1b2c3d", Kind: "billing", Code: "1113", Until: now.Add(time.Minute).UnixMilli()},
			{Fingerprint: "ffffffff", Kind: "unauthenticated"},
		}},
		{Name: "openai", Keys: 1, NeedsKey: true},
	}}
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 2, 8, 2, ' ', 0)
	StatusReport{Servers: []serverReport{s}}.printProviders(w, now)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"s1      (all)     counts calls with keys alone, on top of what the others let run: nobody listens",
		"chatglm   1 keys could not be resolved (its log says why), 2 of 2 keys rest",
		"key 0a1b2c3d: billing (1113), until 12:01:00", "key ffffffff: unauthenticated, tried again now",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "openai") || strings.Count(out.String(), "SERVER") != 1 {
		t.Errorf("too much:\n%s", out.String())
	}
}

// A fault of the published switches is told once, though every server tells it too, in words of its own.
func TestFaultsAreToldOnce(t *testing.T) {
	faulty := []byte("switches: [{id: a, active: yes, to: openai}]")
	s := healthy("s1")
	published := reportSwitches(faulty, nil, time.Now())
	s.Documents = []rpc.Document{
		{Name: wire.DegradationDocument, Refused: "route.degradation: invalid: " + published.Faults, InForce: "none"},
		{Name: wire.RoutesDocument, Refused: "route.parse: invalid: parley-routes:1: is wrong"},
	}
	var out bytes.Buffer
	if err := (StatusReport{Servers: []serverReport{s}, Switches: published}).print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), "active: must be true or false") != 1 || strings.Contains(out.String(), "invalid:") {
		t.Errorf("not once, or not plain:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "parley-routes: what is published is not in force on s1:\n  parley-routes:1: is wrong") {
		t.Errorf("the other document's fault is missing:\n%s", out.String())
	}
}
