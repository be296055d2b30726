package redisstore

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// Spend implements conversation.Ledger.
func (s *Store) Spend(ctx context.Context, c conversation.Claim, user string, spent []chat.Spend) error {
	fields := s.spending(user, spent)
	if len(fields) == 0 {
		return nil
	}
	_, err := s.run(ctx, "spend", s.scripts.spend, prefix(c.Shard), append([]any{c.Fence}, fields...)...)
	return err
}

// spending is what spend in common.lua takes: fields of a day's usage, each with what to add.
func (s *Store) spending(user string, spent []chat.Spend) []any {
	var out []any
	for i, t := range conversation.Itemize(spent) {
		out = append(out, usageField(conversation.Spender{User: user, Item: i}), tokens(t))
	}
	if len(out) > 0 {
		out = append(out, s.records.of(user, spent)...)
	}
	return out
}

func usageField(s conversation.Spender) string {
	return fmt.Sprintf("%d%d:%s/%s/%s", digit(s.Own), digit(s.Estimated), url.PathEscape(s.User), url.PathEscape(s.Provider), s.Model)
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

// Usage implements conversation.Ledger. It reads the records of all who asked that day, one shard after the other: for operators, not for
// every turn. Each shard's have a call's time.
func (s *Store) Usage(ctx context.Context, tenant string, d conversation.Day) (conversation.Usage, error) {
	all := map[conversation.Spender]conversation.Tokens{}
	for _, p := range prefixes(allShards(tenant)) {
		if err := s.addUsage(ctx, p+"u:"+strconv.Itoa(int(d)), all); err != nil {
			return conversation.Usage{}, err
		}
	}
	return conversation.SumUp(all), nil
}

func (s *Store) addUsage(ctx context.Context, key string, all map[conversation.Spender]conversation.Tokens) error {
	const op = "usage"
	ctx, cancel := s.bound(ctx)
	defer cancel()
	fields, err := s.rdb.HGetAll(ctx, key).Result()
	if err != nil {
		return failure(op, err)
	}
	for field, v := range fields {
		who, t, err := decodeUsage(field, v)
		if err != nil {
			return chat.E(chat.Internal, "redis."+op, err)
		}
		all[who] = all[who].Plus(t)
	}
	return nil
}

// decodeUsage reads a field of a day's usage, as common.lua describes it.
func decodeUsage(field, v string) (who conversation.Spender, t conversation.Tokens, err error) {
	kind, rest, _ := strings.Cut(field, ":")
	of := strings.SplitN(rest, "/", 3)
	if len(kind) != 2 || len(of) != 3 {
		return who, t, fmt.Errorf("usage of an unknown form: %.80q", field)
	}
	user, err := url.PathUnescape(of[0])
	provider, perr := url.PathUnescape(of[1])
	if err = cmp.Or(err, perr); err != nil {
		return who, t, fmt.Errorf("usage %.80q: %w", field, err)
	}
	if _, err := fmt.Sscanf(v, "%d %d %d %d %d", &t.Calls, &t.Input, &t.Cached, &t.Output, &t.Reasoning); err != nil {
		return who, t, fmt.Errorf("usage %.80q: %w", field, err)
	}
	i := conversation.Item{Provider: provider, Model: of[2], Own: kind[0] == '1', Estimated: kind[1] == '1'}
	return conversation.Spender{User: user, Item: i}, t, nil
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
	v, err := s.rdb.HMGet(ctx, budgetPrefix(tenant)+"d:"+strconv.Itoa(int(d)), "t", "u:"+user).Result()
	if err != nil {
		return conversation.Budget{}, failure("budget", err)
	}
	return conversation.Budget{Spent: int(number(v[0])), User: int(number(v[1]))}, nil
}
