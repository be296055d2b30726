package conversation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/internal/chat"
)

// Ledger is the part of a [Store] that keeps what people spend and what they may spend in a day. Errors are as in Store.
type Ledger interface {
	// Spend counts what a claim spent that no commit of it will count: it was fenced off, or handed over. What a claim spent is counted
	// once, by Commit or by Spend, whichever comes first; a repetition half a day later is counted again. Of c it uses Shard and Fence only.
	Spend(ctx context.Context, c Claim, user string, spent []chat.Spend) error

	// Usage tells what a tenant's people spent in a day, for [KeepUsage] after its end. A day without any: the zero Usage.
	Usage(ctx context.Context, tenant string, d Day) (Usage, error)

	// Reserve sets tokens aside for a turn, if both caps leave room. It is idempotent: a turn has one reservation, and a further one takes
	// its place, but for one under an earlier fence: the turn is another's by now, and the answer is GrantHeld. So it is where the turn was
	// settled under the same fence: a request that comes late would hold what nobody settles. Whatever is not settled in time is free
	// again. For must be positive and at most a day.
	Reserve(ctx context.Context, r Reservation) (Granted, error)

	// Settle ends a turn's reservation and counts what it really spent, today. It counts once for each Turn and Fence, also if the
	// reservation had run out; a repetition an hour later is counted again. Of r it uses Tenant, User, Turn and Fence only.
	Settle(ctx context.Context, r Reservation, tokens int) error

	// Budget tells what is settled and in force for a day; zero where nothing was ever reserved.
	Budget(ctx context.Context, tenant, user string, d Day) (Budget, error)
}

// Reservation is what one turn may come to.
type Reservation struct {
	Tenant  string
	User    string        // hashed
	Turn    string        // over all its attempts
	Fence   int64         // of the claim that reserves
	Tokens  int           // input and output, by estimate
	For     time.Duration // at most so long
	PerDay  int           // the tenant's cap; 0: none
	UserCap int           // the person's cap a day; 0: none
}

// Granted is the answer to a reservation.
type Granted struct {
	Grant Grant
	Opens time.Time // when the day ends by the store's clock, and every budget is whole again
}

// Grant says whether a turn may be computed.
type Grant string

// A turn is let through if its estimate fits into what is neither spent nor reserved, or if nothing is reserved and something is left: so
// the last of a budget can be used, and is overrun by one turn at most, besides the error of the estimates of those in flight.
const (
	GrantOK         Grant = ""
	GrantHeld       Grant = "held"   // what is left is reserved by turns in flight: ask again soon
	GrantTenantFull Grant = "tenant" // the tenant's cap is spent
	GrantUserFull   Grant = "user"   // the person's cap is spent
)

// Budget is how far a day's caps are used up, in tokens.
type Budget struct {
	Spent int // by all the tenant's people
	User  int // by one person
}

// maxHold bounds a reservation: a crash between Reserve and Settle keeps tokens from others until it ends.
const maxHold = 24 * time.Hour

// CheckReservation says what is wrong with a reservation, for stores.
func CheckReservation(r Reservation) error {
	switch {
	case r.Turn == "":
		return errors.New("a reservation without a turn")
	case r.Tokens <= 0:
		return fmt.Errorf("a reservation of %d tokens", r.Tokens)
	case r.For <= 0 || r.For > maxHold:
		return fmt.Errorf("a reservation for %v; it must be positive and at most %v", r.For, maxHold)
	}
	return nil
}
