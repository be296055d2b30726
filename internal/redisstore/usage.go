package redisstore

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Spend implements conversation.Ledger.
func (s *Store) Spend(ctx context.Context, c conversation.Claim, user string, spent []chat.Spend) error {
	fields := spending(user, spent)
	if len(fields) == 0 {
		return nil
	}
	_, err := s.run(ctx, "spend", s.scripts.spend, prefix(c.Shard), append([]any{c.Fence}, fields...)...)
	return err
}

// spending is what spend in common.lua takes: fields of a day's usage, each with what to add.
func spending(user string, spent []chat.Spend) []any {
	var out []any
	var by [2]conversation.Tokens
	for i, t := range conversation.Itemize(spent) {
		out = append(out, itemField(i), tokens(t))
		by[digit(i.Estimated)] = by[digit(i.Estimated)].Plus(t)
	}
	for estimated, t := range by {
		if t.Calls > 0 {
			out = append(out, fmt.Sprintf("u%d:%s", estimated, user), tokens(t))
		}
	}
	return out
}

func itemField(i conversation.Item) string {
	return fmt.Sprintf("m%d%d:%s/%s", digit(i.Own), digit(i.Estimated), url.PathEscape(i.Provider), i.Model)
}

func tokens(t conversation.Tokens) string {
	return fmt.Sprintf("%d %d %d %d %d", t.Calls, t.Input, t.Cached, t.Output, t.Reasoning)
}

func digit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Usage implements conversation.Ledger. It reads the records of all who asked that day: for operators, not for every turn.
func (s *Store) Usage(ctx context.Context, tenant string, d conversation.Day) (conversation.Usage, error) {
	const op = "usage"
	ctx, cancel := s.bound(ctx)
	defer cancel()
	pipe := s.rdb.Pipeline()
	var shards []*redis.MapStringStringCmd
	for _, p := range prefixes(allShards(tenant)) {
		shards = append(shards, pipe.HGetAll(ctx, p+"u:"+strconv.Itoa(int(d))))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return conversation.Usage{}, failure(op, err)
	}
	items, users := map[conversation.Item]conversation.Tokens{}, map[string]conversation.UserUsage{}
	for _, cmd := range shards {
		for field, v := range cmd.Val() {
			if err := addUsage(items, users, field, v); err != nil {
				return conversation.Usage{}, chat.E(chat.Internal, "redis."+op, err)
			}
		}
	}
	var out conversation.Usage
	for i, t := range items {
		out.Items = append(out.Items, conversation.ItemUsage{Item: i, Tokens: t})
	}
	for user, u := range users {
		u.User = user
		out.Users = append(out.Users, u)
	}
	out.Sort()
	return out, nil
}

// addUsage reads a field of a day's usage.
func addUsage(items map[conversation.Item]conversation.Tokens, users map[string]conversation.UserUsage, field, v string) error {
	var t conversation.Tokens
	kind, of, _ := strings.Cut(field, ":")
	if _, err := fmt.Sscanf(v, "%d %d %d %d %d", &t.Calls, &t.Input, &t.Cached, &t.Output, &t.Reasoning); err != nil {
		return fmt.Errorf("usage %.80q: %w", field, err)
	}
	switch {
	case len(kind) == 3 && kind[0] == 'm':
		provider, model, _ := strings.Cut(of, "/")
		plain, err := url.PathUnescape(provider)
		if err != nil {
			return fmt.Errorf("usage %.80q: %w", field, err)
		}
		i := conversation.Item{Provider: plain, Model: model, Own: kind[1] == '1', Estimated: kind[2] == '1'}
		items[i] = items[i].Plus(t)
	case kind == "u0":
		u := users[of]
		u.Reported = u.Reported.Plus(t)
		users[of] = u
	case kind == "u1":
		u := users[of]
		u.Estimated = u.Estimated.Plus(t)
		users[of] = u
	default: // a later release counts more
	}
	return nil
}

// budgetPrefix begins all keys of a tenant's budget.
func budgetPrefix(tenant string) string { return root + "{" + name(tenant) + "}:budget:" }

// grants are what reserve.lua answers.
func grants(code int64) conversation.Grant {
	switch code {
	case 0:
		return conversation.GrantOK
	case 2:
		return conversation.GrantTenantFull
	case 3:
		return conversation.GrantUserFull
	default:
		return conversation.GrantHeld
	}
}

// Reserve implements conversation.Ledger.
func (s *Store) Reserve(ctx context.Context, r conversation.Reservation) (conversation.Granted, error) {
	const op = "reserve"
	if err := conversation.CheckReservation(r); err != nil {
		return conversation.Granted{}, invalid(op, err)
	}
	v, err := s.run(ctx, op, s.scripts.reserve, budgetPrefix(r.Tenant),
		r.Turn, r.Fence, r.User, r.Tokens, millis(r.For), max(r.PerDay, 0), max(r.UserCap, 0))
	if err != nil {
		return conversation.Granted{}, err
	}
	row := list(v)
	if len(row) != 2 {
		return conversation.Granted{}, failure(op, fmt.Errorf("the script answered %v", v))
	}
	return conversation.Granted{Grant: grants(number(row[0])), Opens: when(row[1])}, nil
}

// Settle implements conversation.Ledger.
func (s *Store) Settle(ctx context.Context, r conversation.Reservation, spent int) error {
	_, err := s.run(ctx, "settle", s.scripts.settle, budgetPrefix(r.Tenant), r.Turn, r.Fence, r.User, max(spent, 0))
	return err
}

// Budget implements conversation.Ledger.
func (s *Store) Budget(ctx context.Context, tenant, user string, d conversation.Day) (conversation.Budget, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	v, err := s.rdb.HMGet(ctx, budgetPrefix(tenant)+"d:"+strconv.Itoa(int(d)), "t", "u:"+user, "ct", "cu").Result()
	if err != nil {
		return conversation.Budget{}, failure("budget", err)
	}
	n := func(i int) int { return int(number(v[i])) }
	return conversation.Budget{Spent: n(0), User: n(1), PerDay: n(2), UserCap: n(3)}, nil
}
