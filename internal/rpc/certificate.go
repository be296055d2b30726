package rpc

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
)

// Names are the tenants that a client's certificate speaks for.
type Names struct {
	All     bool     // parley://tenant/*
	Tenants []string // in the certificate's order
}

// CertificateNames reads whom the certificate in a PEM file speaks for, as servers will judge it. No file (""): everybody, since nothing is
// judged without TLS. Its error names the file.
func CertificateNames(file string) (Names, error) {
	if file == "" {
		return Names{All: true}, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return Names{}, fmt.Errorf("rpc.tls.cert: %w", err)
	}
	block, rest := pem.Decode(content)
	for block != nil && block.Type != "CERTIFICATE" {
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return Names{}, fmt.Errorf("rpc.tls.cert: %s holds no PEM certificate", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Names{}, fmt.Errorf("rpc.tls.cert: %s: %w", file, err)
	}
	var n Names
	for _, uri := range cert.URIs {
		if uri.Scheme != "parley" || uri.Host != "tenant" {
			continue
		}
		if name := strings.TrimPrefix(uri.Path, "/"); name == "*" {
			n.All = true
		} else {
			n.Tenants = append(n.Tenants, name)
		}
	}
	return n, nil
}

// Miss says what the certificate lacks to speak for a tenant: the URI name that it needs. Empty: nothing.
func (n Names) Miss(tenant string) string {
	if n.All {
		return ""
	}
	for _, name := range n.Tenants {
		if name == tenant {
			return ""
		}
	}
	return tenantURI + tenant
}
