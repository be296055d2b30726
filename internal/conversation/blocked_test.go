package conversation_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/conversation"
)

// Autoscaling leaves out turns that wait for a provider's keys: parley_turns_blocked tells those from turns that wait for a server.
func TestWhoWaitsForKeysIsToldFromWhoWaitsForServers(t *testing.T) {
	for name, c := range map[string]struct {
		noServer bool
		blocked  float64 // the part of those who wait
	}{
		"keys":    {false, 1},
		"servers": {true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				fleet := newPlaces(1, 2*time.Second)
				fleet.open(!c.noServer)
				w := newWorld(t)
				reg := prometheus.NewRegistry()
				p := w.start(func(o *conversation.Options) {
					o.Complete, o.Directory, o.Metrics = fleet, everyWorld{w, &everyPart{outlet: w.out}}, reg
				})
				for i := range 60 {
					w.sayAs(p, fmt.Sprint("u", i), fmt.Sprint("m", i), fmt.Sprint(i))
				}
				settle(10 * time.Second)
				queued, blocked := gaugeOf(t, reg, "parley_turns_queued"), gaugeOf(t, reg, "parley_turns_blocked")
				if queued < 40 || blocked != c.blocked*queued {
					t.Errorf("%v wait, %v of them for keys", queued, blocked)
				}
				fleet.open(true)
				settle(5 * time.Minute)
				if queued, blocked = gaugeOf(t, reg, "parley_turns_queued"), gaugeOf(t, reg, "parley_turns_blocked"); queued != 0 || blocked != 0 {
					t.Errorf("%v wait in the end, %v of them for keys", queued, blocked)
				}
			})
		})
	}
}

func gaugeOf(t *testing.T, reg *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
