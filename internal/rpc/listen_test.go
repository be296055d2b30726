package rpc

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestListenRefusesPlaintextBeyondLoopback(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		addr          string
		secure, plain bool
		want          string // in the error; empty: listens
	}{
		"loopback":               {addr: "127.0.0.1:0"},
		"loopback by name":       {addr: "localhost:0"},
		"loopback, IPv6":         {addr: "[::1]:0"},
		"wildcard":               {addr: "0.0.0.0:0", want: "rpc.tls"},
		"wildcard, IPv6":         {addr: "[::]:0", want: "rpc.insecure"},
		"wildcard, empty":        {addr: ":0", want: "127.0.0.1"},
		"another address":        {addr: "192.0.2.1:0", want: "reachable from other machines"},
		"a name":                 {addr: "server.example:0", want: "reachable from other machines"},
		"wildcard with TLS":      {addr: "0.0.0.0:0", secure: true},
		"wildcard, plain chosen": {addr: "0.0.0.0:0", plain: true},
		"no port":                {addr: "127.0.0.1", want: "want host:port"},
		"an address not ours":    {addr: "192.0.2.77:0", secure: true, want: "192.0.2.77"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := listen(tt.addr, tt.secure, tt.plain)
			if err == nil {
				_ = l.Close()
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
}

func TestATakenPortIsAnError(t *testing.T) {
	t.Parallel()
	s := serve(t, ServerOptions{Handler: &script{}})
	_, err := NewServer(ServerOptions{Listen: s.Addr(), Registry: Registry{Mode: ModeDirect}, Handler: &script{}})
	if err == nil || !strings.Contains(err.Error(), s.Addr()) {
		t.Errorf("got %v, want an error that names %s", err, s.Addr())
	}
}

func TestAdvertised(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ advertise, bound, want, fault string }{
		"the listener's":         {bound: "127.0.0.1:7", want: "127.0.0.1:7"},
		"a host":                 {advertise: "10.0.0.8", bound: "0.0.0.0:7", want: "10.0.0.8:7"},
		"a name":                 {advertise: "server-1", bound: "0.0.0.0:7", want: "server-1:7"},
		"host and port":          {advertise: "10.0.0.8:99", bound: "0.0.0.0:7", want: "10.0.0.8:99"},
		"IPv6":                   {advertise: "2001:db8::1", bound: "[::]:7", want: "[2001:db8::1]:7"},
		"IPv6 in brackets":       {advertise: "[2001:db8::1]", bound: "[::]:7", want: "[2001:db8::1]:7"},
		"IPv6 and port":          {advertise: "[2001:db8::1]:99", bound: "[::]:7", want: "[2001:db8::1]:99"},
		"a port that is none":    {advertise: "10.0.0.8:http", bound: "0.0.0.0:7", fault: "rpc.advertise"},
		"a port beyond the last": {advertise: "10.0.0.8:70000", bound: "0.0.0.0:7", fault: "rpc.advertise"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bound, err := net.ResolveTCPAddr("tcp", tt.bound)
			if err != nil {
				t.Fatal(err)
			}
			host, port, err := advertised(tt.advertise, bound)
			switch {
			case tt.fault != "":
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("got %v, want a fault of %s", err, tt.fault)
				}
			case err != nil:
				t.Error(err)
			case net.JoinHostPort(host, port) != tt.want:
				t.Errorf("got %s, want %s", net.JoinHostPort(host, port), tt.want)
			}
		})
	}
}

func TestAWildcardAdvertisesAnAddressThatOthersReach(t *testing.T) {
	t.Parallel()
	host, _, err := advertised("", &net.TCPAddr{IP: net.IPv6zero, Port: 7})
	if err != nil {
		t.Skipf("SKIPPED: %v", err) // a machine without a network
	}
	if ip := netip.MustParseAddr(host); ip.IsLoopback() || ip.IsUnspecified() {
		t.Errorf("advertises %s", host)
	}
}

func TestOptionFaults(t *testing.T) {
	t.Parallel()
	direct := Registry{Mode: ModeDirect}
	nacos := func(n Nacos) Registry { return Registry{Mode: ModeNacos, Nacos: n} }
	tests := map[string]struct {
		o    ServerOptions
		want string
	}{
		"no handler":            {ServerOptions{Listen: "127.0.0.1:0", Registry: direct}, "handler"},
		"no registry mode":      {ServerOptions{Listen: "127.0.0.1:0", Handler: &script{}}, "registry.mode"},
		"no nacos":              {ServerOptions{Listen: "127.0.0.1:0", Handler: &script{}, Registry: nacos(Nacos{})}, "registry.nacos.addrs"},
		"a nacos without port":  {ServerOptions{Listen: "127.0.0.1:0", Handler: &script{}, Registry: nacos(Nacos{Addrs: []string{"nacos"}})}, "nacos"},
		"a nacos CA not there":  {ServerOptions{Listen: "127.0.0.1:0", Handler: &script{}, Registry: nacos(Nacos{Addrs: []string{"n:1"}, CA: "/nowhere.pem"})}, "registry.nacos.tls.ca"},
		"half of TLS":           {ServerOptions{Listen: "127.0.0.1:0", Handler: &script{}, Registry: direct, TLS: TLS{CA: "ca.pem"}}, "rpc.tls.cert is empty"},
		"TLS files not there":   {ServerOptions{Listen: "127.0.0.1:0", Handler: &script{}, Registry: direct, TLS: TLS{CA: "/no/ca", Cert: "/no/c", Key: "/no/k"}}, "/no/ca"},
		"an advertised nothing": {ServerOptions{Listen: "127.0.0.1:0", Handler: &script{}, Registry: direct, Advertise: "a:b"}, "rpc.advertise"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := NewServer(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
	for name, addrs := range map[string][]string{"no address": nil, "no port": {"nonsense"}, "no host": {":1"}} {
		if _, err := Dial(ClientOptions{Registry: Registry{Mode: ModeDirect, Direct: addrs}}); err == nil || !strings.Contains(err.Error(), "registry.direct") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
