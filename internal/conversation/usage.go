package conversation

import (
	"cmp"
	"slices"
	"time"

	"parley/internal/chat"
)

// KeepUsage is how long the usage of a day is kept after the day's end.
const KeepUsage = 40 * 24 * time.Hour

// Day is a day in Beijing (UTC+8, without summer time), counted from the first of 1970. It is part of the stored format.
type Day int

// Seconds.
const (
	day     = 24 * 60 * 60
	beijing = 8 * 60 * 60
)

// DayOf tells on which day t lies.
func DayOf(t time.Time) Day {
	s := t.Unix() + beijing
	return Day((s - ((s%day)+day)%day) / day) // rounded down, also before 1970
}

// Begins is the day's first moment, in Beijing's zone.
func (d Day) Begins() time.Time {
	return time.Unix(int64(d)*day-beijing, 0).In(time.FixedZone("UTC+8", beijing))
}

// Ends is the next day's first moment.
func (d Day) Ends() time.Time { return (d + 1).Begins() }

// String writes the day as 2026-11-22.
func (d Day) String() string { return d.Begins().Format(time.DateOnly) }

// Tokens are calls to a provider and what they cost.
type Tokens struct {
	Calls     int `json:"calls"`
	Input     int `json:"input"`
	Cached    int `json:"cached"` // of Input
	Output    int `json:"output"`
	Reasoning int `json:"reasoning"` // of Output
}

// Plus adds two counts.
func (t Tokens) Plus(o Tokens) Tokens {
	return Tokens{t.Calls + o.Calls, t.Input + o.Input, t.Cached + o.Cached, t.Output + o.Output, t.Reasoning + o.Reasoning}
}

// Sum is what counts against a cap.
func (t Tokens) Sum() int { return t.Input + t.Output }

// Item is what usage is told apart by, besides people.
type Item struct {
	Provider  string `json:"provider"`
	Model     string `json:"model"`
	Own       bool   `json:"own_key"`   // by the tenant's own key
	Estimated bool   `json:"estimated"` // counted by Parley, because the provider did not say
}

// ItemUsage is the usage of one item.
type ItemUsage struct {
	Item
	Tokens
}

// UserUsage is what one person spent.
type UserUsage struct {
	User      string      `json:"user"` // hashed, as in chat.Request.User
	Reported  Tokens      `json:"reported"`
	Estimated Tokens      `json:"estimated"`
	Items     []ItemUsage `json:"by_model"`
}

// Spender is who spent, and on what: the grain at which stores keep usage.
type Spender struct {
	User string
	Item
}

// Usage is what a tenant's people spent in a day. Items are sorted by name; people by what they spent, most first.
type Usage struct {
	Items []ItemUsage `json:"items"`
	Users []UserUsage `json:"users"`
}

// SumUp makes a Usage of what every spender spent.
func SumUp(by map[Spender]Tokens) Usage {
	items, users := map[Item]Tokens{}, map[string]*UserUsage{}
	for s, t := range by {
		items[s.Item] = items[s.Item].Plus(t)
		u := users[s.User]
		if u == nil {
			u = &UserUsage{User: s.User}
			users[s.User] = u
		}
		u.Items = append(u.Items, ItemUsage{s.Item, t})
	}
	var out Usage
	for i, t := range items {
		out.Items = append(out.Items, ItemUsage{i, t})
	}
	sortItems(out.Items)
	for _, u := range users {
		sortItems(u.Items)
		u.Reported, u.Estimated = total(u.Items)
		out.Users = append(out.Users, *u)
	}
	slices.SortFunc(out.Users, func(a, b UserUsage) int {
		return cmp.Or(cmp.Compare(b.Reported.Sum()+b.Estimated.Sum(), a.Reported.Sum()+a.Estimated.Sum()), cmp.Compare(a.User, b.User))
	})
	return out
}

// Total sums up what providers reported and, apart from it, what Parley estimated.
func (u Usage) Total() (reported, estimated Tokens) { return total(u.Items) }

func total(items []ItemUsage) (reported, estimated Tokens) {
	for _, i := range items {
		if i.Estimated {
			estimated = estimated.Plus(i.Tokens)
		} else {
			reported = reported.Plus(i.Tokens)
		}
	}
	return reported, estimated
}

func sortItems(items []ItemUsage) {
	slices.SortFunc(items, func(a, b ItemUsage) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Model, b.Model), order(a.Own, b.Own), order(a.Estimated, b.Estimated))
	})
}

func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// Itemize sums up what was spent by item. Calls that cost nothing are left out, and so are figures below zero: no server's mistake may
// give a budget back.
func Itemize(spent []chat.Spend) map[Item]Tokens {
	out := map[Item]Tokens{}
	for _, s := range spent {
		u := s.Usage
		t := Tokens{1, max(0, u.Input), max(0, u.Cached), max(0, u.Output), max(0, u.Reasoning)}
		if t.Sum() == 0 {
			continue
		}
		i := Item{s.Provider, s.Model, s.Own, u.Estimated}
		out[i] = out[i].Plus(t)
	}
	return out
}
