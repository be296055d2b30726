package redisstore

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// What a person who operates Parley has set wrong is refused by Redis itself; the error says what to set.
func TestRefusalsSayHowToMend(t *testing.T) {
	const user, password = "limited", "the-right-one"
	stats := func(s *Store) error { _, err := s.Stats(t.Context(), "acme"); return err }
	claim := func(s *Store) error {
		_, err := s.Claim(t.Context(), allShards("acme"), "me", 1, conversation.ClaimOptions{Lease: time.Second, HistoryTurns: 1})
		return err
	}
	addr := startRedis(t)
	root := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = root.Close() })
	for _, command := range [][]any{
		{"ACL", "SETUSER", user, "on", ">" + password, "~parley:1:{other:*", "&*", "+@all"},
		{"SET", clientsPrefix + "ends", "of another program"},
	} {
		if err := root.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		o    Options
		ask  func(*Store) error
		code string
		want string
	}{
		{"a wrong password", Options{Username: user, Password: chat.NewSecret("not-" + password)}, stats, "WRONGPASS", "set redis.username and redis.password"},
		{"a wrong password where a result may be empty", Options{Username: user, Password: chat.NewSecret("not-" + password)}, claim, "WRONGPASS", "set redis.username"},
		{"another tenant's user", Options{Username: user, Password: chat.NewSecret(password)}, stats, "NOPERM", "take the Redis user of this tenant"},
		{"another program's key", Options{}, func(s *Store) error { _, err := s.Clients(t.Context()); return err }, "WRONGTYPE", "of its own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Addrs = []string{addr}
			err := c.ask(open(t, c.o))
			e, ok := errors.AsType[*chat.Error](err)
			if !ok || e.Kind != chat.Unavailable || e.Code != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want code %s and %q", err, c.code, c.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("%v shows a password", err)
			}
		})
	}
}
