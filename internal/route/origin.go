package route

import (
	"fmt"
	"net/url"
	"strings"
)

// origin is a place that providers may be called at. An empty port stands for any.
type origin struct{ scheme, host, port string }

func parseOrigin(s string) (origin, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return origin{}, fmt.Errorf("%q is no origin; write https://host or https://host:port", s)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return origin{}, fmt.Errorf("%q has more than scheme, host and port; leave the rest out", u.Redacted())
	}
	return originOf(u), nil
}

func originOf(u *url.URL) origin {
	return origin{scheme: u.Scheme, host: strings.ToLower(u.Hostname()), port: u.Port()}
}

// covers reports whether this entry allows a call to other's host and port.
func (o origin) covers(other origin) bool {
	if o.scheme != other.scheme || o.host != other.host {
		return false
	}
	return o.port == "" || o.port == other.effectivePort()
}

func (o origin) effectivePort() string {
	switch {
	case o.port != "":
		return o.port
	case o.scheme == "https":
		return "443"
	default:
		return "80"
	}
}

func (o origin) String() string {
	host := o.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.port != "" {
		host += ":" + o.port
	}
	return o.scheme + "://" + host
}
