package rpc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// listen opens the server's port, so that a taken port is an error at once. Beyond loopback it wants mutual TLS or an explicit choice.
func listen(addr string, secure, allowPlain bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("rpc.listen %q: want host:port: %w", addr, err)
	}
	if !secure && !allowPlain && !isLoopback(host) {
		return nil, fmt.Errorf("rpc.listen %q is reachable from other machines: set rpc.tls (ca, cert and key), or rpc.insecure: true "+
			"to go without, or listen on 127.0.0.1", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("rpc.listen %q: %w: is another process on it? choose another address", addr, err)
	}
	return l, nil
}

// isLoopback reports whether only this machine can be meant by host. A name other than localhost is not resolved: it may change.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// advertised is the host and port that clients shall dial.
func advertised(advertise string, bound net.Addr) (host, port string, err error) {
	host, port, err = net.SplitHostPort(bound.String())
	if err != nil {
		return "", "", fmt.Errorf("rpc.listen: %w", err)
	}
	if advertise != "" {
		h, p, err := net.SplitHostPort(advertise)
		if err != nil { // no port: the bound one
			return strings.Trim(advertise, "[]"), port, nil
		}
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 || h == "" {
			return "", "", fmt.Errorf("rpc.advertise %q: want host or host:port", advertise)
		}
		return h, p, nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsUnspecified() {
		return host, port, nil
	}
	if host, err = firstAddress(); err != nil {
		return "", "", err
	}
	return host, port, nil
}

// firstAddress is this machine's first address that others can reach, IPv4 before IPv6.
func firstAddress() (string, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("rpc.advertise: %w", err)
	}
	var six string
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		switch ip := prefix.Addr().Unmap(); {
		case !ip.IsGlobalUnicast():
		case ip.Is4():
			return ip.String(), nil
		case six == "":
			six = ip.String()
		}
	}
	if six == "" {
		return "", errors.New("rpc.advertise: this machine has no address besides loopback: set rpc.advertise")
	}
	return six, nil
}
