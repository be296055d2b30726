package app

import (
	"net"
	"os"
	"testing"
)

// A server knows itself in the list of servers also by another name: else it would take itself for another server, which keeps no keys.
func TestNameAmong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		list []string
		addr string
		want string
	}{
		"no list":                {nil, "127.0.0.1:7", "127.0.0.1:7"},
		"as advertised":          {[]string{"localhost:7", "127.0.0.1:7"}, "127.0.0.1:7", "127.0.0.1:7"},
		"by name":                {[]string{"203.0.113.1:7", "localhost:7"}, "127.0.0.1:7", "localhost:7"},
		"another port":           {[]string{"localhost:8", "203.0.113.1:7"}, "127.0.0.1:7", "127.0.0.1:7"},
		"IPv6 spelt otherwise":   {[]string{"[0:0:0:0:0:0:0:1]:7", "203.0.113.1:7"}, "[::1]:7", "[0:0:0:0:0:0:0:1]:7"},
		"no name that resolves":  {[]string{"nobody.invalid:7"}, "127.0.0.1:7", "127.0.0.1:7"},
		"what is no address":     {[]string{"nonsense"}, "127.0.0.1:7", "127.0.0.1:7"},
		"the other one is there": {[]string{"203.0.113.1:7", "203.0.113.2:7"}, "203.0.113.3:7", "203.0.113.3:7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
				_ = l.Close()
			} else if test.addr[0] == '[' {
				t.Skipf("SKIPPED: no IPv6 here: %v", err)
			}
			if got := nameAmong(test.list, test.addr); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	host, err := os.Hostname()
	if _, unknown := net.LookupHost(host); err != nil || unknown != nil {
		t.Skipf("SKIPPED: this machine's name %q does not resolve", host)
	}
	if got := nameAmong([]string{"203.0.113.1:7", host + ":7"}, "10.0.0.1:7"); got != host+":7" {
		t.Errorf("by the machine's name: got %s", got)
	}
}
