package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/config"
	"parley/internal/route"
)

// pemUntil makes a file of certificates that end at these times.
func pemUntil(t *testing.T, ends ...time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, end := range ends {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: end}
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	path := filepath.Join(t.TempDir(), "c.pem")
	fill(t, path, out.String())
	return path
}

// told gives a collector's gauges as name{labels} value, in order.
func told(t *testing.T, c prometheus.Collector) (lines []string) {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			lines = append(lines, fmt.Sprintf("%s{%s} %v", f.GetName(), strings.Join(labels, ","), m.GetGauge().GetValue()))
		}
	}
	return lines
}

func TestFirstToEnd(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	old, gone, soon, late := now.Add(-time.Hour), now.Add(-time.Minute), now.Add(time.Minute), now.Add(time.Hour)
	for name, c := range map[string]struct {
		ends []time.Time
		want time.Time
	}{
		"one":                      {[]time.Time{late}, late},
		"the first of a chain":     {[]time.Time{late, soon}, soon},
		"a successor beside it":    {[]time.Time{gone, late, soon, old}, soon},
		"all over":                 {[]time.Time{old, gone, old}, gone},
		"the successor comes last": {[]time.Time{old, gone, late}, late},
	} {
		if got := firstToEnd(pemUntil(t, c.ends...), now); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A file that cannot be read is an alarm, not silence; what is not configured is not told of.
func TestCertificatesAreTold(t *testing.T) {
	end := time.Unix(2_000_000_000, 0)
	broken := filepath.Join(t.TempDir(), "ca.pem")
	fill(t, broken, "-----BEGIN CERTIFICATE-----\nnonsense\n")
	shown := func() time.Time { return end }
	c := certificatesOf("client", shown, config.TLS{Cert: "c.pem", CA: broken}, config.CA{}, config.CA{CA: pemUntil(t, end)})
	if diff := cmp.Diff([]string{"parley_certificate_expiry_timestamp_seconds{use=ca} 0", "parley_certificate_expiry_timestamp_seconds{use=client} 2e+09",
		"parley_certificate_expiry_timestamp_seconds{use=redis_ca} 2e+09"}, told(t, c)); diff != "" {
		t.Error(diff)
	}
}

func TestClockSkewIsForgottenWhenItIsNotKnown(t *testing.T) {
	var skew time.Duration
	var fail error
	w := newClockWatch(func(context.Context) (time.Duration, error) { return skew, fail }, prometheus.NewRegistry())
	skew = -1500 * time.Millisecond
	w.look(t.Context())
	known := []string{"parley_clock_skew_seconds{against=redis} -1.5"}
	if diff := cmp.Diff(known, told(t, w.gauge)); diff != "" {
		t.Error(diff)
	}
	fail = errors.New("no Redis")
	w.look(t.Context())
	if diff := cmp.Diff(known, told(t, w.gauge)); diff != "" {
		t.Errorf("a short outage changes the figure: %s", diff)
	}
	w.seen = time.Now().Add(-2 * clockBlind)
	w.look(t.Context())
	if list := told(t, w.gauge); len(list) != 0 {
		t.Errorf("a figure that is long out of date is told: %v", list)
	}
}

func TestSwitchesAreTold(t *testing.T) {
	l := newSwitchLog(slog.New(slog.DiscardHandler))
	now := time.Unix(2_000_000_000, 0)
	l.now = func() time.Time { return now }
	are := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, told(t, l)); diff != "" {
			t.Error(diff)
		}
	}
	form := func(doc string) {
		t.Helper()
		d, err := route.ParseDegradation([]byte(doc), "", "")
		if err != nil {
			t.Fatal(err)
		}
		l.take(d)
	}
	are("parley_switches_active{} 0")
	form("switches: [{id: a, active: true, to: chatglm}, {id: b, active: false, to: ernie}]")
	now = now.Add(time.Minute)
	form("switches: [{id: a, active: true, to: ernie}]") // a change is no new beginning
	are("parley_switch_active_since_timestamp_seconds{switch=a} 2e+09", "parley_switches_active{} 1")
	form("switches: []")
	are("parley_switches_active{} 0")
}
