//go:build race

package simulate

// underRace: a run takes some ten times as long, and few are enough to find a race.
const underRace = true
