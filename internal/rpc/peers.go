package rpc

import (
	"errors"
	"slices"
)

// Peers is how the client of a server sees the other servers.
type Peers struct {
	Settled bool     // the registry has spoken, and it is known of each server whether it answers
	Up      []string // the addresses of those that are registered and answer, sorted
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
	for _, cert := range cfg.Certificates {
		if cert.Leaf != nil && namesServer(cert.Leaf) {
			return nil
		}
	}
	return errors.New("rpc.tls.cert is not a server's for other servers: issue it with the URI name (subject alternative name) " + serverURI)
}

func (p *pool) peers() Peers {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := Peers{Settled: p.told, Listed: p.listed}
	for _, m := range p.members {
		switch state := m.state.Load(); {
		case !m.listed.Load():
		case state == up:
			out.Up = append(out.Up, m.addr)
		case state == unproved:
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
