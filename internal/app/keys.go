package app

import (
	"context"
	"net"
	"slices"
	"time"

	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/config"
	keyfleet "parley/internal/fleet"
	"parley/internal/rpc"
)

// joinFleet makes the server's part in keeping providers' keys together with the other servers. The registry names those; in mode
// direct it is the list that clients have, if server.yaml has it, too.
func (s *server) joinFleet() error {
	reg := s.cfg.Registry
	self := nameAmong(reg.Direct, s.rpc.Addr())
	o := keyfleet.Options{Self: self, OnRest: s.llm.Rest, Telemetry: s.tel}
	others := slices.DeleteFunc(slices.Clone(reg.Direct), func(addr string) bool { return addr == self })
	if reg.Mode == config.ModeNacos || len(others) > 0 {
		var err error
		s.others, err = rpc.Dial(rpc.ClientOptions{
			TLS: wire.TLS(s.cfg.RPC.TLS), Insecure: s.cfg.RPC.Insecure, Registry: wire.Registry(reg), Self: self, Telemetry: s.tel,
		})
		if err != nil {
			return err
		}
		o.Peers = otherServers{s.others}
		if why := s.others.Barred(); why != nil {
			s.tel.Log.Warn("limits of keys (concurrency) are not kept together with the other servers: each call counts against this server's share of them",
				"mend", why.Error())
		}
	}
	if reg.Mode == config.ModeDirect && len(others) > 0 && len(others) == len(reg.Direct) {
		s.tel.Log.Warn("registry.direct does not name this server, so it keeps no keys for others: name it there as it is advertised, or set rpc.advertise to its name there",
			"advertised", self, "direct", reg.Direct)
	}
	s.fleet = keyfleet.New(o)
	return nil
}

// findSelf bounds the look-up of the names in registry.direct.
const findSelf = 2 * time.Second

// nameAmong is the name by which the servers of a list know the one that is advertised as addr: addr where the list has it, else the first name there
// of this machine and addr's port, as localhost or a host name in place of an IP address. If there is none it is addr.
func nameAmong(list []string, addr string) string {
	if len(list) == 0 || slices.Contains(list, addr) {
		return addr
	}
	_, port, _ := net.SplitHostPort(addr)
	mine, _ := net.InterfaceAddrs()
	ctx, cancel := context.WithTimeout(context.Background(), findSelf)
	defer cancel()
	for _, name := range list {
		host, p, err := net.SplitHostPort(name)
		if err != nil || p != port {
			continue
		}
		ips, _ := net.DefaultResolver.LookupIPAddr(ctx, host) // a name that nobody knows is not this server's
		for _, ip := range ips {
			here := func(a net.Addr) bool { n, ok := a.(*net.IPNet); return ok && n.IP.Equal(ip.IP) }
			if slices.ContainsFunc(mine, here) {
				return name
			}
		}
	}
	return addr
}

// follow watches the other servers from when they can find this one.
func (s *server) follow(ctx context.Context) {
	select {
	case <-s.rpc.Ready():
		s.fleet.Run(ctx)
	case <-ctx.Done():
	}
}

// keys lets the service be made before the server's address is known, without which there is no fleet.
type keys struct{ *server }

// Hold implements llm.Fleet.
func (k keys) Hold(ctx context.Context, key string, limit int, wait bool) (func(), error) {
	return k.fleet.Hold(ctx, key, limit, wait)
}

// Rest implements llm.Fleet.
func (k keys) Rest(key string, d time.Duration, kind chat.Kind, code string) {
	k.fleet.Rest(key, d, kind, code)
}

// keyHandler answers other servers.
type keyHandler struct{ *server }

// Hold implements rpc.KeyHandler.
func (k keyHandler) Hold(ctx context.Context, ask rpc.KeyAsk, granted func() error) error {
	return k.fleet.Keep(ctx, keyfleet.KeyAsk(ask), granted)
}

// Rest implements rpc.KeyHandler.
func (k keyHandler) Rest(rest rpc.KeyRest) error { return k.fleet.Rested(keyfleet.KeyRest(rest)) }

// otherServers are the servers that the registry tells of.
type otherServers struct{ *rpc.Client }

// View implements fleet.Peers.
func (o otherServers) View() keyfleet.View {
	p := o.Peers()
	v := keyfleet.View{Settled: p.Settled, Servers: p.Up, Known: p.Known, Listed: p.Listed}
	if why := o.Barred(); why != nil {
		v.Barred = why.Error()
	}
	return v
}

// Hold implements fleet.Peers.
func (o otherServers) Hold(ctx context.Context, addr string, ask keyfleet.KeyAsk, granted func()) error {
	return o.Client.Hold(ctx, addr, rpc.KeyAsk(ask), granted)
}

// Rest implements fleet.Peers.
func (o otherServers) Rest(ctx context.Context, addr string, rest keyfleet.KeyRest) error {
	return o.Client.Rest(ctx, addr, rpc.KeyRest(rest))
}
