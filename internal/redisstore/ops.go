package redisstore

import (
	"context"
	"time"
)

// Ping reports whether Redis answers.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return failure("ping", s.rdb.Ping(ctx).Err())
}

// LogIn reports whether Redis takes the newest password, over a connection of its own. It is for stores whose password may change.
func (s *Store) LogIn(ctx context.Context) error {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return failure("login", s.login.try(ctx, s.login.now()))
}

const clientsPrefix = root + "{clients}:"

// SetClient says that the client service id lives, for ttl, with a document about it for operators.
func (s *Store) SetClient(ctx context.Context, id string, doc []byte, ttl time.Duration) error {
	const op = "set_client"
	if ttl <= 0 {
		return invalid(op, errTTL)
	}
	_, err := s.run(ctx, op, s.scripts.clientsSet, clientsPrefix, id, doc, millis(ttl))
	return err
}

// Clients returns the documents of the client services that live, by id.
func (s *Store) Clients(ctx context.Context) (map[string][]byte, error) {
	v, err := s.run(ctx, "clients", s.scripts.clients, clientsPrefix)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for r := list(v); len(r) >= 2; r = r[2:] {
		out[text(r[0])] = []byte(text(r[1]))
	}
	return out, nil
}
