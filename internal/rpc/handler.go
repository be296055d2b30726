package rpc

import (
	"context"

	"parley/internal/chat"
)

// Handler answers completions on the server side. Complete calls emit from one goroutine, in order, and returns after the last event; an
// error of emit (the client went away) ends it. Errors are *chat.Error.
type Handler interface {
	Complete(ctx context.Context, req chat.Request, emit func(chat.Event) error) error
}

// Document is the state of one live document in an instance.
type Document struct {
	Name     string `json:"name"`
	Revision string `json:"revision"`
	Since    int64  `json:"since_unix_ms"`     // when it came into force here
	Refused  string `json:"refused,omitempty"` // why the newest form was refused; empty: it is in force
	// InForce is what the document's switches do here now, for people and in the same words everywhere; "none" without any. Empty: it has no
	// switches, or the instance is of an older release.
	InForce string `json:"in_force,omitempty"`
}
