package conversation

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestLabelsFromOutsideAreBounded(t *testing.T) {
	b := bounded{most: maxCodes}
	got := map[string]bool{}
	for i := range 10_000 {
		got[b.label(strconv.Itoa(i))] = true
	}
	if len(got) != maxCodes+1 || !got["0"] || !got["other"] {
		t.Errorf("%d values, want %d and other", len(got), maxCodes)
	}
	if b.label("0") != "0" {
		t.Error("a value seen early has changed its label")
	}
	if b.label(strings.Repeat("x", 1000)) != "other" {
		t.Error("a long value became a label")
	}
}

// A process that serves more tenants than it names sums up the others, channels and all.
func TestTenantsBeyondThoseNamedAreSummedUp(t *testing.T) {
	m := newMetrics(nil)
	var names []string
	for i := range maxTenants + 50 {
		names = append(names, "t"+strconv.Itoa(i))
		m.channel(m.postponements, names[i], "channel"+strconv.Itoa(i), "failed").Inc()
	}
	now := time.Now()
	m.stand(names, map[string]time.Time{"t0": now.Add(-time.Minute), "t120": now.Add(-time.Hour), "t149": now})
	for _, c := range []prometheus.Collector{m.postponements, m.standing} {
		values := map[string]float64{}
		reg := prometheus.NewRegistry()
		reg.MustRegister(c)
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range families[0].GetMetric() {
			tenant := s.GetLabel()[len(s.GetLabel())-1].GetValue()
			values[tenant] = s.GetGauge().GetValue() + s.GetCounter().GetValue()
		}
		if len(values) != maxTenants+1 {
			t.Errorf("%s: %d tenants are named, want %d and other", families[0].GetName(), len(values), maxTenants)
		}
		if v := values[other]; c == prometheus.Collector(m.postponements) && v != 50 || c == prometheus.Collector(m.standing) && (v < 3600 || v > 3700) {
			t.Errorf("%s: other is %v", families[0].GetName(), v)
		}
	}
}

// The oldest message of a tenant's lines is told, whether it asks or stands behind others that ask for younger ones.
func TestTheOldestInLine(t *testing.T) {
	var ls lines
	at := func(second int) time.Time { return time.Unix(int64(second), 0) }
	var all []*standing
	for i := range maxFront + 2 {
		all = append(all, ls.join(lineOf{"acme", "chat"}, at(100-i)))
	}
	all = append(all, ls.join(lineOf{"acme", "other"}, at(95)), ls.join(lineOf{"beta", "chat"}, at(7)))
	if got := ls.oldest(); len(got) != 2 || !got["acme"].Equal(at(100-maxFront-1)) || !got["beta"].Equal(at(7)) {
		t.Errorf("%v", got)
	}
	ls.leave(all[maxFront+1], false)
	ls.leave(all[0], true)
	if got := ls.oldest(); !got["acme"].Equal(at(100 - maxFront)) {
		t.Errorf("%v", got)
	}
	for _, s := range all[1:] {
		if s != all[maxFront+1] {
			ls.leave(s, true)
		}
	}
	if got := ls.oldest(); len(got) != 0 {
		t.Errorf("nobody stands in line: %v", got)
	}
}
