package conversation

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Seats is the part of a [Store] that shares a tenant's turns in flight out among processes: a tenant has as many seats as turns may run at
// once, and whoever claims its conversations holds a seat for each. Errors are as in Store.
type Seats interface {
	// Seat sets how many seats owner holds of each tenant asked for, and keeps them for lease, in one round trip. What owners hold is never
	// more in sum than a limit that did not change; a lowered one takes no seat that is in use, and gives none out until it is kept. An owner
	// whose lease ended keeps its seats until somebody asks with SeatAsk.Reap (or for a day). The answers are good also with an error: tenants
	// without one failed, and may or may not have got what was asked for.
	Seat(ctx context.Context, owner string, asks []SeatAsk, lease time.Duration) (map[string]Seated, error)

	// Look tells what a claim would find in each shard, without claiming it. With an error (a PartError), it is of the shards that did not fail.
	Look(ctx context.Context, shards []Shard) ([]Found, error)
}

// SeatAsk says how many of a tenant's seats an owner wants from now on.
type SeatAsk struct {
	Tenant string
	Limit  int   // how many there are
	Seq    int64 // rises with each ask of an owner; one that is carried out late changes nothing
	Runs   int   // of those it holds it keeps so many, whatever the limit
	Need   int   // it wants so many
	Spare  int   // and so many besides; it gets half of what nobody holds at most
	Reap   bool  // owners whose lease ended hold none any more
}

// Seated is the answer to a SeatAsk.
type Seated struct {
	Held int // by the owner
	Free int // held by nobody; below 0 while a lowered limit is not yet kept
}

// Found is what a claim would find in a shard.
type Found struct {
	Shard Shard
	Ready int       // conversations that can be claimed
	Since time.Time // when the oldest of them was accepted, or its reply was due
}

// CheckSeatAsk says what is wrong with an ask, for stores.
func CheckSeatAsk(a SeatAsk) error {
	switch {
	case a.Limit <= 0:
		return fmt.Errorf("seats of a limit of %d", a.Limit)
	case a.Runs < 0 || a.Need < 0 || a.Spare < 0:
		return errors.New("a number of seats below 0")
	}
	return nil
}
