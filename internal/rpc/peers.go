package rpc

import (
	"crypto/x509"
	"errors"
	"slices"
)

// Peers is how the client of a server sees the other servers.
type Peers struct {
	Settled bool     // the registry has spoken, and it is known of each server whether it answers
	Up      []string // the addresses of those that are registered and answer, sorted
	Known   int      // how many are registered, be they up or not
	Listed  bool     // ClientOptions.Self is registered
}

// Peers gives the servers besides Self.
func (c *Client) Peers() Peers { return c.pool.peers() }

// Changed is closed when what Peers and Servers tell changes after the call.
func (c *Client) Changed() <-chan struct{} {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	return c.pool.changed
}

// Barred says why other servers would refuse to talk about keys: this client's certificate is no server's. nil: they would not.
func (c *Client) Barred() error {
	r, ok := c.creds.(*reloading)
	if !ok {
		return nil // plaintext: nobody is checked
	}
	cfg, err := r.config()
	if err != nil {
		return err
	}
	leaf := cfg.Certificates[0].Leaf
	switch {
	case !namesServer(leaf):
		return errors.New("rpc.tls.cert does not say that it is a server's: issue it with the URI name (subject alternative name) " + serverURI)
	case leaf.ExtKeyUsage != nil && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny):
		return errors.New("rpc.tls.cert is for servers only, and this one calls others: issue it with the extended key usage clientAuth besides serverAuth")
	}
	return nil
}

func (p *pool) peers() Peers {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := Peers{Settled: p.told, Listed: p.listed}
	for _, m := range p.members {
		if !m.listed.Load() {
			continue
		}
		out.Known++
		switch m.state.Load() {
		case up:
			out.Up = append(out.Up, m.addr)
		case unproved:
			out.Settled = false
		}
	}
	slices.Sort(out.Up)
	return out
}

// find gives a known instance; nil: there is none at this address.
func (p *pool) find(addr string) *member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.members[addr]
}
