package conversation

import "errors"

// ErrFenced says that the conversation has another owner by now. The caller drops the turn and says nothing to the person.
var ErrFenced = errors.New("conversation: fenced off")

// PartError says in which shards a step over many failed; what it returned of the others is good.
type PartError struct {
	Shards []Shard
	Err    error
}

// Error implements error.
func (e *PartError) Error() string { return e.Err.Error() }

// Unwrap gives the first shard's failure.
func (e *PartError) Unwrap() error { return e.Err }

// failedShards are those of asked in which a step failed: all, unless the error says which.
func failedShards(err error, asked []Shard) []Shard {
	if p, ok := errors.AsType[*PartError](err); ok {
		return p.Shards
	}
	return asked
}

// Unreadable says that a claim met conversations that hold what this program cannot read: a later release wrote it, or it is damaged. The
// store has given them back and lets nobody claim them for a while. It comes alone or beside a PartError.
type Unreadable struct {
	Held []Held
	Err  error // of the first
}

// Error implements error.
func (e *Unreadable) Error() string { return e.Err.Error() }

// Unwrap gives the first one's trouble.
func (e *Unreadable) Unwrap() error { return e.Err }
