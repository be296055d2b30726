package rpc

import (
	"crypto/x509"
	"time"

	"google.golang.org/grpc/credentials"
)

// CertificateEnds tells when the certificate that this client shows ends: the one in use, which a changed file that cannot be used does not
// replace. Zero without TLS.
func (c *Client) CertificateEnds() time.Time { return ends(c.creds) }

// CertificateEnds is Client's, for the server.
func (s *Server) CertificateEnds() time.Time { return ends(s.transport.creds) }

// ends is the soonest end in the chain that is shown.
func ends(creds credentials.TransportCredentials) (first time.Time) {
	r, ok := creds.(*reloading)
	if !ok {
		return first
	}
	cfg, err := r.config()
	if err != nil {
		return first
	}
	for _, der := range cfg.Certificates[0].Certificate {
		if cert, err := x509.ParseCertificate(der); err == nil && (first.IsZero() || cert.NotAfter.Before(first)) {
			first = cert.NotAfter
		}
	}
	return first
}
