package conversation

import (
	"context"
	"time"

	"parley/internal/chat"
)

// Completer gets the answer of one turn from some server. It blocks until the completion ends. emit is called from one goroutine,
// in order; it must not block long. The error is a *chat.Error; the caller alone decides whether to try again.
type Completer interface {
	Complete(ctx context.Context, req chat.Request, emit func(chat.Event)) (chat.Reply, error)
}

// Outlet is the way out of a channel: it makes a reply's parts and sends them.
type Outlet interface {
	// Parts cuts text into what the platform takes, in its exact bytes. unique rises with every turn of a conversation and is equal
	// for a turn's repetitions; a channel whose platform swallows repeated requests mixes it in. It does not block.
	Parts(m chat.Message, text string, unique int64) ([]chat.Part, error)
	// Send sends one part. It may block for the platform's timeout, and is safe for concurrent use. Errors are *chat.Error: retryable kinds
	// may be sent again after RetryAfter; with Maybe set nobody knows whether the person saw it.
	Send(ctx context.Context, m chat.Message, p chat.Part) error
	// Resendable reports whether a part first sent this long ago may be sent again without the person seeing it twice.
	Resendable(age time.Duration) bool
	// Pace is how fast a conversation's parts may follow each other, over all replicas, so that the platform drops none.
	Pace() chat.Pace
	// Live reports whether the channel shows partial text, and how often at most (0: never).
	Live() time.Duration
}

// PartResender is implemented by outlets some of whose parts may be sent again and others not; it is asked in place of Resendable.
type PartResender interface {
	// PartResendable is Resendable for one part. It does not block.
	PartResendable(p chat.Part, age time.Duration) bool
}

// Streamer is implemented by outlets that show partial text by rewriting something on the platform. What it shows is replaced by the reply. No live
// text is written for it: nobody comes to read.
type Streamer interface {
	// Show replaces what the person sees of the answer to m by text, the whole of it so far. It blocks at most for the platform's timeout, and is
	// called only if Live is positive, at most once in that time, from one goroutine at a time. After an error it is called less often, and not before
	// the error's RetryAfter is over. Its last call has returned before the reply's first part is sent.
	Show(ctx context.Context, m chat.Message, text string) error
}

// Fetcher is implemented by outlets whose messages may hold pictures that must be fetched from the platform.
type Fetcher interface {
	// Fetch returns the pictures of m.Images in their order. It blocks at most for the platform's timeout. Errors are *chat.Error: kinds TooLarge,
	// NotFound (it is no longer there), Invalid (it is no picture), and the retryable ones.
	Fetch(ctx context.Context, m chat.Message) ([]chat.Picture, error)
}
