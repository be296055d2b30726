package openai

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"parley/internal/llm"
)

// newClient makes the one HTTP client of an endpoint. It has no timeout of its own beyond connecting: the caller's context bounds a call.
func newClient(e llm.Endpoint) *http.Client {
	var protocols http.Protocols
	if e.PriorKnowledge {
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP1(true)
		protocols.SetHTTP2(true)
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: e.Connect, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: e.Connect,
			Protocols:           &protocols,
			// A silent HTTP/2 connection is asked whether it lives: one dead connection carries many streams.
			HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
			MaxIdleConnsPerHost:    4096,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			// Compressed event streams arrive in lumps.
			DisableCompression: true,
		},
		// A redirect would carry the key and the conversation to an address that no operator allowed.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
