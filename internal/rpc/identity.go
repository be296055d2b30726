package rpc

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"parley/internal/chat"
)

const (
	// tenantURI begins the URI names (subject alternative names) by which a client's certificate says whom it may speak for:
	// parley://tenant/acme for one tenant, as many as needed, or parley://tenant/* for every tenant.
	tenantURI = "parley://tenant/"
	// serverURI is the URI name by which a server's certificate says that it may ask other servers about keys. A client's name for every
	// tenant does not do: who counts keys could keep them from everybody.
	serverURI = "parley://server"
)

// caller gives the certificate of who calls. On a plaintext connection, which exists on loopback or by an explicit choice only, nobody is
// checked: then it is nil.
func caller(ctx context.Context) (*x509.Certificate, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil, nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return nil, nil
	}
	if len(info.State.PeerCertificates) == 0 {
		return nil, chat.E(chat.Unauthenticated, "rpc.authorize", nil)
	}
	return info.State.PeerCertificates[0], nil
}

// authorize checks that the caller's certificate names the tenant.
func authorize(ctx context.Context, tenant string) error {
	cert, err := caller(ctx)
	if cert == nil {
		return err
	}
	for _, uri := range cert.URIs {
		if uri.Scheme != "parley" || uri.Host != "tenant" { // the path is compared unescaped: tools write the * in two ways
			continue
		}
		if name := strings.TrimPrefix(uri.Path, "/"); name == "*" || name == tenant {
			return nil
		}
	}
	return chat.E(chat.Forbidden, "rpc.authorize",
		fmt.Errorf("the client's certificate does not name tenant %q: it needs the URI name %s%s", tenant, tenantURI, tenant))
}

// authorizeServer checks that the caller's certificate is a server's.
func authorizeServer(ctx context.Context) error {
	cert, err := caller(ctx)
	if cert == nil || namesServer(cert) {
		return err
	}
	return chat.E(chat.Forbidden, "rpc.authorize", errors.New("the caller's certificate is not a server's: it needs the URI name "+serverURI))
}

func namesServer(cert *x509.Certificate) bool {
	for _, uri := range cert.URIs {
		if uri.Scheme == "parley" && uri.Host == "server" && strings.Trim(uri.Path, "/") == "" {
			return true
		}
	}
	return false
}
