package app

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/config"
)

// certificates tells when the certificates that a process uses end, by what for. They are looked at with each scrape, so that a renewal shows at
// once. The end is zero where there is no certificate that can be read.
type certificates []certificateUse

type certificateUse struct {
	use  string
	ends func() time.Time
}

// certificatesOf are those that the role's configuration names: its own, under the role's name, as its RPC shows it, and the authorities
// that it trusts.
func certificatesOf(role string, shown func() time.Time, rpc config.TLS, nacos, redis config.CA) (c certificates) {
	if rpc.Enabled() {
		c = append(c, certificateUse{role, shown})
	}
	for _, f := range []struct{ use, file string }{{"ca", rpc.CA}, {"nacos_ca", nacos.CA}, {"redis_ca", redis.CA}} {
		if f.file != "" {
			c = append(c, certificateUse{f.use, func() time.Time { return firstToEnd(f.file, time.Now()) }})
		}
	}
	return c
}

func (certificates) expiry() *prometheus.Desc {
	return prometheus.NewDesc("parley_certificate_expiry_timestamp_seconds",
		"When a certificate ends, by what it is used for: client, server (its own), ca, redis_ca, nacos_ca; 0: there is none that can be read.", []string{"use"}, nil)
}

// Describe implements [prometheus.Collector].
func (c certificates) Describe(ch chan<- *prometheus.Desc) { ch <- c.expiry() }

// Collect implements [prometheus.Collector].
func (c certificates) Collect(ch chan<- prometheus.Metric) {
	for _, x := range c {
		at := 0.0
		if end := x.ends(); !end.IsZero() {
			at = float64(end.Unix())
		}
		ch <- prometheus.MustNewConstMetric(c.expiry(), prometheus.GaugeValue, at, x.use)
	}
}

// firstToEnd is the soonest end of a certificate in a PEM file. What has ended counts only if there is nothing else: an authority that was
// replaced may lie beside its successor.
func firstToEnd(file string, now time.Time) (first time.Time) {
	content, err := os.ReadFile(file)
	if err != nil {
		return first
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			continue
		}
		end := cert.NotAfter
		if first.IsZero() || first.Before(now) && end.After(first) || end.After(now) && end.Before(first) {
			first = end
		}
	}
	return first
}
