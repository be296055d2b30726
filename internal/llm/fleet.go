package llm

import (
	"context"
	"time"

	"parley/internal/chat"
)

// Fleet is what all servers keep together about providers' keys. A key is named by [KeyName]. Its methods are safe for concurrent use.
type Fleet interface {
	// Hold asks for one more call with a key of which the whole fleet may make limit at once. With wait it blocks, first come first
	// served, until the call may be made or ctx ends; without, it answers at once (a round trip to another server at most). The call counts
	// until release, which must be called once. Errors: Overloaded with [chat.CodeKeysBusy] at the limit; what ended ctx.
	Hold(ctx context.Context, key string, limit int, wait bool) (release func(), err error)
	// Rest tells the other servers that a key is not to be used for a while, and why. It does not block, and may be lost.
	Rest(key string, d time.Duration, kind chat.Kind, code string)
}
