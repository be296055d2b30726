package rig

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"

	"parley/internal/sim/llm"
)

// SetRules replaces the rules by which calls fail; none: all succeed.
func (m *Model) SetRules(ctx context.Context, rules ...llm.Rule) error {
	return m.set(ctx, "rules", append([]llm.Rule{}, rules...))
}

// Ledger gives every call since the start or the last Forget, oldest first. Its times are of this machine's clock.
func (m *Model) Ledger(ctx context.Context) (list []llm.Entry, err error) {
	err = m.read(ctx, "ledger", &list)
	return list, err
}

// Forget empties the ledger. What was counted stays counted.
func (m *Model) Forget(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, m.Origin+"/_sim/ledger", nil)
	if err != nil {
		return err
	}
	answer, err := do(req)
	if err != nil {
		return err
	}
	return answer.Close()
}

// NewNamespace makes a new, empty namespace the rig's for all that is started and published from here on, so that no document exists again.
// What runs stays in the old one, which is dropped when the rig is closed. Nothing else of the rig may be used meanwhile.
func (r *Rig) NewNamespace(ctx context.Context) error {
	old, documents := r.Nacos, r.documents
	next := Nacos{Addr: old.Addr, Namespace: "parley-rig-" + strings.ToLower(rand.Text()[:12])}
	if err := next.create(ctx); err != nil {
		return fmt.Errorf("nacos at %s: %w", next.Addr, err)
	}
	r.Nacos, r.documents = next, nil
	r.atEnd(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := old.drop(ctx, documents); err != nil {
			r.Logf("namespace %s stays: %v", old.Namespace, err)
		}
	})
	return nil
}
