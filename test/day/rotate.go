package main

import (
	"context"
	"crypto/rand"
	"fmt"

	"parley/internal/chat"
	"parley/internal/sim/llm"
)

// rotate changes the provider's key and the callback's secrets, each with an overlap: both are valid, then the new one alone. Passwords and
// certificates have a test of their own (test/rotate).
func (s *stage) rotate(ctx context.Context) (string, error) {
	for _, step := range []func(context.Context) error{s.rotateProviderKey, s.rotateCallbacks} {
		if err := step(ctx); err != nil {
			return "", err
		}
	}
	return "the provider's key, the callback's token and AES key, each with an overlap", nil
}

// newProviderKey writes the next of the provider's keys.
func (s *stage) newProviderKey() error {
	s.keys++
	return s.secret("_routes", fmt.Sprintf("openai-key-%d", s.keys), s.providerKey(s.keys))
}

func (s *stage) providerKey(n int) string {
	return fmt.Sprintf("sk-of-the-day-%d-%s", n, s.rig.Nacos.Namespace)
}

func (s *stage) rotateProviderKey(ctx context.Context) error {
	old := s.keys
	if err := s.newProviderKey(); err != nil {
		return err
	}
	before, after := fmt.Sprintf("file:openai-key-%d", old), fmt.Sprintf("file:openai-key-%d", s.keys)
	if err := s.routesWith(ctx, fmt.Sprintf("[%s, %s]", after, before)); err != nil {
		return err
	}
	s.pause(ctx)
	if err := s.routesWith(ctx, after); err != nil {
		return err
	}
	s.pause(ctx)
	// From now on the vendor refuses the old one: whoever still used it would be told so.
	return s.vendor.SetRules(ctx, llm.Rule{
		Key:   chat.NewSecret(s.providerKey(old)).Fingerprint(),
		Fault: llm.Fault{Kind: llm.FaultStatus, Status: 401},
	})
}

// newCallbackSecrets makes what the platform seals with, and writes it where the tenant's document says.
func (s *stage) newCallbackSecrets() error {
	s.company.App.Token, s.company.App.AESKey = rand.Text(), (rand.Text() + rand.Text())[:42]+"A"
	if err := s.secret(s.company.Tenant, "wecom-token", s.company.App.Token); err != nil {
		return err
	}
	return s.secret(s.company.Tenant, "wecom-aes", s.company.App.AESKey)
}

func (s *stage) rotateCallbacks(ctx context.Context) error {
	old := s.company.App
	if err := s.secret(s.company.Tenant, "wecom-token-old", old.Token); err != nil {
		return err
	}
	if err := s.secret(s.company.Tenant, "wecom-aes-old", old.AESKey); err != nil {
		return err
	}
	if err := s.tenantWith(ctx, "[file:wecom-token, file:wecom-token-old]", "[file:wecom-aes, file:wecom-aes-old]"); err != nil {
		return err
	}
	s.pause(ctx)
	if err := s.newCallbackSecrets(); err != nil {
		return err
	}
	s.pause(ctx)
	if err := s.company.Entry(s.balancer.Addr); err != nil { // the platform seals with the new ones from now on
		return err
	}
	s.pause(ctx)
	return s.publishTenant(ctx)
}
