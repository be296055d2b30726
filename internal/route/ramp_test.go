package route

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ramping = `switches: [{id: s, active: true, to: chatglm, until: "2026-01-02T12:00:00Z", ramp: 15m}]`

func TestShare(t *testing.T) {
	for name, test := range map[string]struct {
		s    Switch
		want float64
	}{
		"inactive":               {Switch{}, 0},
		"until restored":         {Switch{Active: true}, 1},
		"not over":               {Switch{Active: true, Until: noon.Add(time.Second)}, 1},
		"over":                   {Switch{Active: true, Until: noon}, 0},
		"before the ramp":        {Switch{Active: true, Until: noon.Add(time.Hour), Ramp: 15 * time.Minute}, 1},
		"as the ramp begins":     {Switch{Active: true, Until: noon.Add(15 * time.Minute), Ramp: 15 * time.Minute}, 1},
		"a third of it":          {Switch{Active: true, Until: noon.Add(10 * time.Minute), Ramp: 15 * time.Minute}, 2. / 3},
		"its last second":        {Switch{Active: true, Until: noon.Add(time.Second), Ramp: 100 * time.Second}, 0.01},
		"after it":               {Switch{Active: true, Until: noon.Add(-time.Second), Ramp: 15 * time.Minute}, 0},
		"inactive within a ramp": {Switch{Until: noon.Add(time.Second), Ramp: 15 * time.Minute}, 0},
	} {
		if got := test.s.Share(noon); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestRampReturnsByShare walks 2,000 conversations through a ramp: the share is linear, and who has returned stays.
func TestRampReturnsByShare(t *testing.T) {
	table, d := mustParse(t, example), mustDegrade(t, ramping)
	const people = 2000
	returned := make([]bool, people)
	for second := -1; second <= 901; second += 11 {
		now := noon.Add(-15*time.Minute + time.Duration(second)*time.Second)
		n := 0
		for i := range people {
			choices, err := table.Pick(Want{Tenant: "t", Class: "chat", Conversation: fmt.Sprintf("app/%d", i), Now: now}, d)
			if err != nil {
				t.Fatal(err)
			}
			back := choices[0].Provider.Name == "openai"
			if back != (choices[0].Switch == nil) || !back && choices[0].Provider.Name != "chatglm" {
				t.Fatalf("%s by %v", choices[0].Provider.Name, choices[0].Switch)
			}
			if returned[i] && !back {
				t.Fatalf("conversation %d went away again at second %d", i, second)
			}
			if returned[i] = back; back {
				n++
			}
		}
		// 4 standard deviations of a share of 2,000.
		if want := float64(min(max(second, 0), 900)) / 900; math.Abs(float64(n)/people-want) > 0.045 {
			t.Errorf("second %d: %d of %d returned, want %.0f %%", second, n, people, 100*want)
		}
	}
	if n := strings.Count(fmt.Sprint(returned), "true"); n != people {
		t.Errorf("in the end %d of %d are back", n, people)
	}
}

// The order in which conversations return is part of what servers of neighbouring releases agree on.
func TestPlaceIsFixed(t *testing.T) {
	for name, want := range map[string]float64{"": 0.8579, "app/u1": 0.7699, "app/u2": 0.4163} {
		if got := place("acme", name); math.Abs(got-want) > 0.0001 {
			t.Errorf("%q stands at %.4f, want %.4f", name, got, want)
		}
	}
	if place("acme", "a") == place("beta", "a") {
		t.Error("two tenants' conversations of one name share a place")
	}
}

// While the first switch lets a conversation go, the next that fits decides, as if the first were off.
func TestRampUncoversTheNextSwitch(t *testing.T) {
	table := mustParse(t, example)
	d := mustDegrade(t, `switches: [{id: a, active: true, to: chatglm, until: "2026-01-02T12:00:01Z", ramp: 24h}, {id: b, active: true, to: ernie}]`)
	seen := map[string]bool{}
	for i := range 50 {
		got, err := table.Pick(Want{Tenant: "t", Class: "chat", Conversation: fmt.Sprint(i), Now: noon.Add(-12 * time.Hour)}, d)
		if err != nil {
			t.Fatal(err)
		}
		seen[choiceNames(got)[0]] = true
	}
	if diff := cmp.Diff(map[string]bool{"chatglm/glm-4.6 by a": true, "ernie/ernie-4.5-turbo-128k by b": true}, seen); diff != "" {
		t.Error(diff)
	}
}

func TestParseRamp(t *testing.T) {
	got := mustDegrade(t, ramping).Switches[0]
	want := Switch{ID: "s", Active: true, To: "chatglm", Until: noon, Ramp: 15 * time.Minute}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for doc, want := range map[string]string{
		`{id: s, ramp: ""}`: "",
		`{id: s, ramp: 15m, until: "2026-01-02T12:00:00Z"}`: "",
		`{id: s, ramp: 24h, until: "2026-01-02T12:00:00Z"}`: "",
		`{id: s, ramp: 15m}`:                                             "switches[0].ramp: needs an until",
		`{id: s, ramp: 15m, until: ""}`:                                  "switches[0].ramp: needs an until",
		`{id: s, ramp: -15m, until: "2026-01-02T12:00:00Z"}`:             "switches[0].ramp: must be a time from 1s to 24h, like 15m, or empty",
		`{id: s, ramp: 25h, until: "2026-01-02T12:00:00Z"}`:              "switches[0].ramp: must be a time from 1s to 24h",
		`{id: s, ramp: 15, until: "2026-01-02T12:00:00Z"}`:               "switches[0].ramp: must be a time from 1s to 24h",
		`{id: s, ramp: [15m], until: "2026-01-02T12:00:00Z"}`:            "switches[0].ramp: is a list",
		`{id: s, active: true, to: a/b, ramp: 15m, until: "in an hour"}`: "switches[0].until: must be a time in RFC 3339",
	} {
		_, err := ParseDegradation([]byte("switches: ["+doc+"]"), "", "")
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", doc, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: got %v, want %q alone", doc, err, want)
		}
	}
}
