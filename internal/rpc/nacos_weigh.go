package rpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/common/nacos_server"
	"github.com/nacos-group/nacos-sdk-go/v2/common/security"

	"parley/internal/chat"
	"parley/internal/nacoslogin"
)

// weighPaths are where Nacos 3, and Nacos 2 before it, take an operator's change of an instance.
var weighPaths = []string{"/v3/admin/ns/instance", "/v1/ns/instance"}

// Weigh sets the weight of a registered server as Nacos' console does, and enables it: 0 takes it out of use while it runs, and all clients hear of it.
// The SDK's gRPC half can only change what its own connection registered, so this is Nacos' API over HTTP, with the SDK's login.
func (n Nacos) Weigh(ctx context.Context, addr string, weight float64) error {
	const op = "rpc.weigh"
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return chat.E(chat.Invalid, op, fmt.Errorf("%q is not host:port", addr))
	}
	form := url.Values{
		"namespaceId": {n.namespace()}, "serviceName": {nacosService}, "groupName": {nacosGroup}, "ip": {host}, "port": {port},
		"weight": {strconv.FormatFloat(weight, 'g', -1, 64)}, "enabled": {"true"}, "ephemeral": {"true"},
	}
	client, err := n.http()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	token, err := n.token(ctx)
	if err != nil {
		return chat.E(chat.Unavailable, op, err)
	}
	for k, v := range token {
		form.Set(k, v)
	}
	for _, at := range n.Addrs { // one that is down is passed by
		if err = n.weigh(ctx, client, at, form); chat.KindOf(err) != chat.Unavailable {
			return err
		}
	}
	return err
}

// token logs in and gives what a request must bear; nothing without a user.
func (n Nacos) token(ctx context.Context) (map[string]string, error) {
	bears := map[string]string{}
	if n.Username == "" {
		return bears, nil
	}
	servers, err := n.servers()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of its refreshing
	t := constant.TLSConfig{Appointed: true, Enable: n.CA != "", CaFile: n.CA}
	cfg := constant.ClientConfig{TimeoutMs: nacosTimeout, NamespaceId: n.namespace(), Username: n.Username, Password: n.Password.Reveal(), TLSCfg: t, ContextPath: constant.WEB_CONTEXT}
	login := nacoslogin.New(nacoslogin.Options{Password: n.Password, Now: n.PasswordNow, CAFile: n.CA, Log: slog.New(slog.DiscardHandler)})
	s, err := nacos_server.NewNacosServer(ctx, servers, cfg, login, nacosTimeout, "", nil)
	if err != nil {
		return nil, err
	}
	s.InjectSecurityInfo(bears, security.BuildNamingResource(n.namespace(), nacosGroup, nacosService))
	return bears, nil
}

func (n Nacos) http() (*http.Client, error) {
	t := &http.Transport{DialContext: (&net.Dialer{Timeout: nacosTimeout * time.Millisecond}).DialContext}
	if n.CA != "" {
		pem, err := os.ReadFile(n.CA)
		if err != nil {
			return nil, fmt.Errorf("registry.nacos.tls.ca: %w", err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: t, Timeout: nacosTimeout * time.Millisecond}, nil
}

// weigh asks one Nacos, by the newest address that it has.
func (n Nacos) weigh(ctx context.Context, client *http.Client, at string, form url.Values) error {
	const op = "rpc.weigh"
	scheme := "http://"
	if n.CA != "" {
		scheme = "https://"
	}
	for _, path := range weighPaths {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, scheme+at+constant.WEB_CONTEXT+path, strings.NewReader(form.Encode()))
		if err != nil {
			return chat.E(chat.Invalid, op, err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := client.Do(req)
		if err != nil {
			if bad, ok := errors.AsType[*url.Error](err); ok {
				err = bad.Err // without the address and what is in it
			}
			return chat.E(chat.Unavailable, op, fmt.Errorf("Nacos at %s: %w", at, err))
		}
		body, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		_ = res.Body.Close()
		if res.StatusCode != http.StatusNotFound || !strings.Contains(string(body), path) { // its 404 of an address that it does not have names that
			return weighed(at, res.StatusCode, body)
		}
	}
	return chat.E(chat.Internal, op, fmt.Errorf("Nacos at %s has no address that changes an instance: it is neither Nacos 2 nor 3", at))
}

// weighed reads Nacos' answer: Nacos 2 says ok, Nacos 3 a JSON with a code of 0.
func weighed(at string, status int, body []byte) error {
	const op = "rpc.weigh"
	var said struct {
		Code    int
		Message string
		Data    any
	}
	parsed := json.Unmarshal(body, &said) == nil
	switch {
	case status == http.StatusOK && (!parsed || said.Code == 0):
		return nil
	case status == http.StatusForbidden || status == http.StatusUnauthorized || said.Code == http.StatusForbidden:
		return chat.E(chat.Forbidden, op, fmt.Errorf("Nacos at %s refuses it: the user of registry.nacos needs the right to write names (%s), or the login is wrong", at, nacosService))
	case said.Message != "":
		return chat.E(chat.NotFound, op, fmt.Errorf("Nacos at %s: %s: %v", at, said.Message, said.Data))
	default:
		return chat.E(chat.NotFound, op, fmt.Errorf("Nacos at %s answers %d: %.200s", at, status, body))
	}
}
