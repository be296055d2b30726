//go:build planted

package channel

import (
	"context"
	"os"

	"parley/internal/chat"
)

// ackFirst is the fault "ack": a delivery is acknowledged before it is stored. It exists in no normal build, and in this one only where
// PARLEY_PLANT asks for it, so that tests can show that they would find it.
func ackFirst(store func(context.Context, []chat.Message) error) func(context.Context, []chat.Message) error {
	if os.Getenv("PARLEY_PLANT") != "ack" {
		return store
	}
	return func(ctx context.Context, messages []chat.Message) error {
		go func() { _ = store(context.WithoutCancel(ctx), messages) }()
		return nil
	}
}
