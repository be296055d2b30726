//go:build !planted

package channel

import (
	"context"

	"parley/internal/chat"
)

// ackFirst plants nothing into a normal build.
func ackFirst(store func(context.Context, []chat.Message) error) func(context.Context, []chat.Message) error {
	return store
}
