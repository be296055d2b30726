package wire

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"parley/internal/channel"
	"parley/internal/config"
)

// Origins are where channels call their platforms: static configuration alone says it.
func Origins(p config.Platforms, hooks []string) channel.Origins {
	return channel.Origins{
		Hooks: hooks,
		WeCom: p.WeCom, WeComBot: p.WeComBot, WeComBotFiles: p.WeComBotFiles, DingTalk: p.DingTalk, DingTalkWebhooks: p.DingTalkWebhooks, DingTalkFiles: p.DingTalkFiles, Feishu: p.Feishu,
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// PlatformClient calls chat platforms: bounded, and never led elsewhere by a redirect.
func PlatformClient() *http.Client {
	return &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: noRedirect,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:   true,
			MaxIdleConns:        1024,
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     90 * time.Second,
		},
	}
}
