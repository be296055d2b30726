package app

import (
	"log/slog"
	"slices"
	"strings"

	"parley/internal/chat"
	"parley/internal/route"
)

// keyNames tells the log under which reference each of the routes' keys was found: elsewhere a key goes by its fingerprint alone, and an operator has
// to find it from that. Its methods are called one at a time, as a live document's are.
type keyNames struct {
	from func(ref string) (chat.Secret, error)
	log  *slog.Logger
	refs map[string][]string // by fingerprint, since the last table
	said map[string][]string // by provider
}

func newKeyNames(from func(ref string) (chat.Secret, error), log *slog.Logger) *keyNames {
	return &keyNames{from: from, log: log, refs: map[string][]string{}, said: map[string][]string{}}
}

// resolve is [route.Options]' Resolve.
func (k *keyNames) resolve(ref string) (chat.Secret, error) {
	key, err := k.from(ref)
	if err != nil || key.IsZero() {
		return key, err
	}
	if strings.HasPrefix(ref, "age:") {
		ref = "age:…" // it has no name; lines have the document's order
	}
	if id := key.Fingerprint(); !slices.Contains(k.refs[id], ref) {
		k.refs[id] = append(k.refs[id], ref)
	}
	return key, nil
}

// take logs the keys of every provider whose keys changed with a table, in the document's order.
func (k *keyNames) take(t *route.Table) {
	said := map[string][]string{}
	for _, p := range t.Providers() {
		var keys []string
		for _, key := range p.Keys {
			id := key.Fingerprint()
			keys = append(keys, id+" "+strings.Join(k.refs[id], " "))
		}
		if said[p.Name] = keys; len(keys) > 0 && !slices.Equal(keys, k.said[p.Name]) {
			k.log.Info("keys by fingerprint", "provider", p.Name, "keys", keys)
		}
	}
	k.said = said
	clear(k.refs) // the next table resolves all of its references anew
}
