package liveconfig

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// Source is where documents are kept. All methods are safe for concurrent use.
type Source interface {
	// Get reads a document now. A document that does not exist is no error.
	Get(ctx context.Context, name string) (content []byte, exists bool, err error)
	// Watch calls fn, from one goroutine, with the document's state as soon as it is known and after every change, the latest at
	// least; repetitions are allowed. It blocks until ctx ends. While the source cannot be reached fn is not called.
	Watch(ctx context.Context, name string, fn func(content []byte, exists bool)) error
	// List names the documents that begin with prefix, in order.
	List(ctx context.Context, prefix string) ([]string, error)
	// Publish replaces a document's content if it still is old; nil old: if it does not exist. ErrConflict: it is not.
	Publish(ctx context.Context, name string, content, old []byte) error
}

// Keeper is a source that keeps the good forms of documents for a start at which it cannot ask. Its methods do not block for long.
type Keeper interface {
	Source
	// Keep is told of each form that came into force.
	Keep(name string, content []byte)
	// Stale: what Watch gave last of the document is not the source's word, but what was kept at that time.
	Stale(name string) (kept time.Time, stale bool)
}

// ErrConflict says that a document was changed by somebody else since it was read. Read it again and repeat the change.
var ErrConflict = errors.New("liveconfig: the document was changed by somebody else")

// Document is one form of a document, as decoders get it.
type Document struct {
	Name     string
	Content  []byte
	Revision string
}

// Revision is the short digest by which people and instances tell two forms of a document apart.
func Revision(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:6])
}
