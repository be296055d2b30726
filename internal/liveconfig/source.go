package liveconfig

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
