package simulate

import "maps"

// Shrink takes from a plan what it fails without, and returns what is left; the plan itself must fail. Nothing that stays is changed by what
// goes, because every draw is for a purpose of its own.
func Shrink(p Plan, fails func(Plan) bool) Plan {
	for _, k := range Kinds() {
		if !p.Kinds[k] {
			continue
		}
		q := p
		q.Kinds = maps.Clone(p.Kinds)
		q.Kinds[k] = false
		if fails(q) {
			p = q
		}
	}
	p.Turns = without(p.Turns, func(list []Event) bool { q := p; q.Turns = list; return fails(q) })
	p.Posts = without(p.Posts, func(list []Post) bool { q := p; q.Posts = list; return fails(q) })
	return p
}

// without drops ever smaller pieces of a list as long as it fails.
func without[T any](list []T, fails func([]T) bool) []T {
	for size := (len(list) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(list); {
			rest := append(append([]T{}, list[:from]...), list[min(from+size, len(list)):]...)
			if fails(rest) {
				list = rest
			} else {
				from += size
			}
		}
	}
	return list
}
