package rpc

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"parley/internal/chat"
)

// tenantURI begins the URI names (subject alternative names) by which a client's certificate says whom it may speak for:
// parley://tenant/acme for one tenant, as many as needed, or parley://tenant/* for every tenant.
const tenantURI = "parley://tenant/"

// authorize checks that the caller's certificate names the tenant. On a plaintext connection, which exists on loopback or by an
// explicit choice only, nobody is checked.
func authorize(ctx context.Context, tenant string) error {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return nil
	}
	if len(info.State.PeerCertificates) == 0 {
		return chat.E(chat.Unauthenticated, "rpc.authorize", nil)
	}
	for _, uri := range info.State.PeerCertificates[0].URIs {
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
