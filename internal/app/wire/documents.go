package wire

import (
	"fmt"
	"io"

	"parley/internal/config"
	"parley/internal/liveconfig"
	"parley/internal/liveconfig/file"
	"parley/internal/liveconfig/nacos"
	"parley/internal/telemetry"
)

// The names of live documents; a tenant's is its own name after TenantPrefix.
const (
	RoutesDocument      = "parley-routes"
	DegradationDocument = "parley-degradation"
	PricesDocument      = "parley-prices"
	TenantPrefix        = "tenant."
)

// OpenSource opens where live documents come from. Close it when nothing watches any more.
func OpenSource(live config.Live, reg config.Registry, tel *telemetry.Telemetry) (liveconfig.Source, io.Closer, error) {
	if live.Source == config.SourceFile {
		return file.New(live.Dir), io.NopCloser(nil), nil
	}
	s, err := nacos.New(nacos.Options{
		Addrs: reg.Nacos.Addrs, Namespace: reg.Nacos.Namespace, Username: reg.Nacos.Username, Password: reg.Nacos.Password.Secret,
		PasswordNow: reg.Nacos.Password.Now(), CAFile: reg.Nacos.TLS.CA, Log: tel.Log, Metrics: tel.Metrics,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("registry.nacos: %w", err)
	}
	return s, s, nil
}
