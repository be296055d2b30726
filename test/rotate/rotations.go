package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"parley/internal/chat"
	"parley/internal/sim/llm"
	"parley/test/realdeps"
	"parley/test/rig"
)

// rotation is the procedure of docs/rotation.md for one secret. It returns when the old one is worth nothing any more.
type rotation struct {
	name string
	do   func(*stage, context.Context) error
}

// nacosKey restarts Nacos, so that others cannot publish meanwhile.
const nacosKey = "nacos-key"

func rotations() []rotation {
	return []rotation{
		{"redis", (*stage).rotateRedis},
		{"redis-swap", (*stage).swapRedis},
		{"nacos", (*stage).rotateNacos},
		{"tls", (*stage).rotateTLS},
		{"provider", (*stage).rotateProvider},
		{"callback", (*stage).rotateCallback},
		{"secret", (*stage).rotateSecret},
		{nacosKey, (*stage).rotateNacosKey},
	}
}

func names() (list []string) {
	for _, r := range rotations() {
		list = append(list, r.name)
	}
	return list
}

const redisTakes = "Redis takes the changed password"

func (s *stage) acl(ctx context.Context, rules ...any) error {
	return s.admin.Do(ctx, append([]any{"ACL", "SETUSER", "parley"}, rules...)...).Err()
}

// rotateRedis has both passwords valid for a while.
func (s *stage) rotateRedis(ctx context.Context) error {
	s.redisTurn.Lock()
	defer s.redisTurn.Unlock()
	old, next := s.redis, s.secret("redis")
	if err := s.acl(ctx, ">"+next); err != nil {
		return err
	}
	through := awaitSaid(s.clients, redisTakes, 1)
	if err := s.passwords.text("redis", next); err != nil {
		return err
	}
	if err := through(ctx); err != nil {
		return err
	}
	s.redis = next
	if err := s.acl(ctx, "<"+old); err != nil {
		return err
	}
	return s.subscribeAnew(ctx)
}

// swapRedis is for a Redis that knows one password at a time: the file goes first, and Redis follows.
func (s *stage) swapRedis(ctx context.Context) error {
	s.redisTurn.Lock()
	defer s.redisTurn.Unlock()
	next := s.secret("redis")
	waits, through := awaitSaid(s.clients, "Redis does not take the changed password yet", 1), awaitSaid(s.clients, redisTakes, 1)
	if err := s.passwords.text("redis", next); err != nil {
		return err
	}
	if err := waits(ctx); err != nil {
		return err
	}
	if err := s.subscribeAnew(ctx); err != nil { // with the password before
		return err
	}
	if err := s.acl(ctx, "resetpass", ">"+next); err != nil {
		return err
	}
	s.redis = next
	if err := through(ctx); err != nil {
		return err
	}
	return s.subscribeAnew(ctx)
}

// subscribeAnew ends the connections on which client services hear of /stop, and waits until they are back: over new ones, which log in.
func (s *stage) subscribeAnew(ctx context.Context) error {
	if err := s.admin.Do(ctx, "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
		return err
	}
	return await(ctx, "the subscriptions are back", func() bool {
		n, err := s.admin.PubSubChannels(ctx, "parley:*").Result()
		return err == nil && len(n) >= len(s.clients)
	})
}

// rotateNacos changes the password in Nacos first, as the user itself: tokens that were given serve on.
func (s *stage) rotateNacos(ctx context.Context) error {
	next := s.secret("nacos")
	through := awaitSaid(s.all(), "Nacos takes the changed password", 2) // the registry's login and that of the documents
	self := s.rig.Nacos
	self.User, self.Password = "parley", s.nacos
	if err := self.Put(ctx, "/nacos/v3/auth/user", url.Values{"username": {"parley"}, "newPassword": {next}}); err != nil {
		return err
	}
	if err := s.passwords.text("nacos", next); err != nil {
		return err
	}
	s.nacos = next
	return through(ctx)
}

// rotateNacosKey starts Nacos again with another key for its tokens, so that it refuses all those that it gave.
func (s *stage) rotateNacosKey(ctx context.Context) error {
	_, port, err := net.SplitHostPort(s.server.Addr)
	if err != nil {
		return err
	}
	if s.own.Port, err = strconv.Atoi(port); err != nil {
		return err
	}
	anew := awaitSaid(s.all(), "this process has logged in anew", 2)
	registered := awaitSaid(s.servers, "registered in nacos", 1)
	s.server.Stop()
	s.own.TokenKey = s.secret("of-the-tokens-and-long-enough")
	if s.server, err = realdeps.StartNacos(ctx, s.own); err != nil {
		return err
	}
	return errors.Join(anew(ctx), registered(ctx))
}

// rotateTLS moves both sides to a new authority: trust both, change the clients, change the servers, trust the new one alone.
func (s *stage) rotateTLS(ctx context.Context) error {
	next, err := newAuthority("authority-next")
	if err != nil {
		return err
	}
	both := append(append([]byte{}, s.authority.pem...), next.pem...)
	step := func(do func() error, sides ...string) error {
		var through []func(context.Context) error
		for _, side := range sides {
			nodes, times := s.clients, 1
			if side == "server" {
				nodes, times = s.servers, 2 // they call each other, too
			}
			through = append(through, awaitSaid(nodes, "the changed files of rpc.tls are used", times))
		}
		if err := do(); err != nil {
			return err
		}
		for _, wait := range through {
			if err := wait(ctx); err != nil {
				return err
			}
		}
		pause(ctx, 3*time.Second) // connections are made anew
		return nil
	}
	trust := func(authorities []byte) func() error {
		return func() error {
			for _, m := range s.tls {
				if err := m.put(map[string][]byte{"ca.pem": authorities}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if err := step(trust(both), "server", "client"); err != nil {
		return err
	}
	for _, side := range []string{"client", "server"} {
		if err := step(func() error { return s.issue(side, next, both) }, side); err != nil {
			return err
		}
	}
	s.authority = next
	return step(trust(next.pem), "server", "client")
}

// rotateProvider has two keys in the routes for a while. The vendor refuses the old one from the end on.
func (s *stage) rotateProvider(ctx context.Context) error {
	old, next := s.provider, "sk-"+s.secret("provider")
	s.issued++
	before, after := s.keyRef, fmt.Sprintf("openai-%d", s.issued)
	if err := s.routes.text(after, next); err != nil {
		return err
	}
	if err := s.publish(ctx, s.all(), "parley-routes", s.table(fmt.Sprintf("[%q, %q]", "file:"+after, "file:"+before))); err != nil {
		return err
	}
	pause(ctx, 2*time.Second)
	if err := s.publish(ctx, s.all(), "parley-routes", s.table("file:"+after)); err != nil {
		return err
	}
	s.provider, s.keyRef = next, after
	pause(ctx, 3*time.Second) // answers that began with the old one end
	s.revoked = append(s.revoked, llm.Rule{Key: chat.NewSecret(old).Fingerprint(), Fault: llm.Fault{Kind: llm.FaultStatus, Status: 401}})
	return s.model.SetRules(ctx, s.revoked...)
}

// rotateCallback has two pairs of token and AES key in the tenant's document for a while.
func (s *stage) rotateCallback(ctx context.Context) error {
	s.pairs++
	old, next := s.pairRef, fmt.Sprint("-", s.pairs)
	token, aes := rand.Text(), (rand.Text() + rand.Text())[:42]+"A"
	if err := s.acme.text("token"+next, token, "aes"+next, aes); err != nil {
		return err
	}
	list := func(name string) string { return fmt.Sprintf("[%q, %q]", "file:"+name+old, "file:"+name+next) }
	if err := s.publish(ctx, s.clients, "tenant.acme", s.tenant(list("token"), list("aes"))); err != nil {
		return err
	}
	if err := s.platform(func() { s.company.App.Token, s.company.App.AESKey = token, aes }); err != nil {
		return err
	}
	s.pairRef = next
	pause(ctx, 2*time.Second) // what was sealed with the old pair arrives
	return s.publish(ctx, s.clients, "tenant.acme", s.tenant("file:token"+next, "file:aes"+next))
}

// rotateSecret has no overlap: the platform refuses the old secret at once, and replies wait until the file has followed.
func (s *stage) rotateSecret(ctx context.Context) error {
	next := s.secret("wecom")
	if err := s.platform(func() { s.company.App.Secret = next }); err != nil {
		return err
	}
	shown := s.company.Sim.Stats().Shown
	if err := s.acme.text("secret", next); err != nil {
		return err
	}
	return await(ctx, "replies go out again", func() bool { return s.company.Sim.Stats().Shown > shown+10 })
}

// platform changes what the application is to the platform.
func (s *stage) platform(change func()) error {
	s.app.Lock()
	defer s.app.Unlock()
	change()
	return s.company.Entry(s.balancer.Addr)
}

// restartOneOfEach shows that a process also starts with what is in force now.
func (s *stage) restartOneOfEach(ctx context.Context) error {
	for _, n := range []**rig.Node{&s.clients[0], &s.servers[0]} {
		if err := (*n).Term(time.Minute); err != nil {
			return err
		}
		again, err := (*n).Restart(ctx)
		if err != nil {
			return err
		}
		*n = again
	}
	return nil
}
