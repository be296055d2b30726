package simulate

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"parley/internal/chat"
	"parley/internal/route"
)

// fleet are the servers: each knows the operators' document as it last reached it.
type fleet struct {
	w     *world
	table *route.Table
	known [3]*document
}

// document is a revision of the operators' switch: as the product reads it, and what it means in the test's own words.
type document struct {
	parsed *route.Degradation
	active bool
	tenant string // empty: all
	until  time.Time
}

var table = sync.OnceValue(func() *route.Table {
	t, err := route.Parse([]byte(`
providers:
  openai:  {dialect: simulated}
  chatglm: {dialect: simulated}
models:
  chat: [openai/gpt, chatglm/glm]
`), route.Options{Dialects: []string{"simulated"}, Resolve: func(string) (chat.Secret, error) { return chat.Secret{}, errors.New("no keys") }})
	if err != nil {
		panic(err)
	}
	return t
})

// flip publishes a new document; it reaches each server in its own time.
func (f *fleet) flip() {
	d := f.w.cup.dice("flip")
	doc := &document{active: d.chance(.6), tenant: oneOf(d, "", "", "acme")}
	if d.chance(.3) {
		doc.until = time.Now().Add(d.between(time.Second, 20*time.Second)).Truncate(time.Second)
	}
	tenants, until := "[]", ""
	if doc.tenant != "" {
		tenants = "[" + doc.tenant + "]"
	}
	if !doc.until.IsZero() {
		until = doc.until.UTC().Format(time.RFC3339)
	}
	text := fmt.Sprintf("switches:\n  - {id: all, active: %v, to: chatglm, tenants: %s, until: %q}\n", doc.active, tenants, until)
	var err error
	if doc.parsed, err = route.ParseDegradation([]byte(text), "", ""); err != nil {
		f.w.fault("a switch cannot be read: %v", err)
		return
	}
	f.w.note("operator", "publishes %s", strings.TrimSpace(text))
	for i := range f.known {
		time.AfterFunc(d.between(0, time.Second), func() {
			f.w.mu.Lock()
			defer f.w.mu.Unlock()
			f.known[i] = doc
		})
	}
}

// provider is who must answer, by the test's own reading of the document.
func (d *document) provider(tenant string, now time.Time) (name string, degraded bool) {
	if d != nil && d.active && (d.tenant == "" || d.tenant == tenant) && (d.until.IsZero() || now.Before(d.until)) {
		return "chatglm", true
	}
	return "openai", false
}
