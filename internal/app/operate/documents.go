package operate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"parley/internal/app/wire"
	"parley/internal/audit"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/liveconfig"
)

// DocumentReport is a live document as it is published.
type DocumentReport struct {
	Name     string   `json:"name"`
	Revision string   `json:"revision,omitempty"` // empty: it does not exist
	Content  string   `json:"content,omitempty"`  // without what should be a reference and is not
	Masked   bool     `json:"masked"`             // something was left out of Content
	Faults   []string `json:"faults"`
	Warnings []string `json:"warnings"`
}

// Judgement is what a new form of a document would be.
type Judgement struct {
	Base       string   `json:"base,omitempty"` // the revision that it would replace; empty: a document that does not exist yet
	Revision   string   `json:"revision"`
	Faults     []string `json:"faults"`    // instances would refuse it
	Elsewhere  []string `json:"elsewhere"` // of other documents, that it would cause
	Warnings   []string `json:"warnings"`
	Difference string   `json:"difference"` // empty: it is as published
}

// errFaulty says that a document is not published because of what its judgement names.
var errFaulty = errors.New("it is faulty, nothing was published")

// ErrChanged says that a document is not the one that was judged any more.
var ErrChanged = fmt.Errorf("the published form is another than the one that this began with: %w", liveconfig.ErrConflict)

// documentKind tells what a name is for; Unknown: it is no live document's.
func documentKind(name string) config.Kind {
	kind := config.Kind(name)
	switch {
	case slices.Contains([]config.Kind{config.KindRoutes, config.KindDegradation, config.KindPrices}, kind):
		return kind
	case strings.HasPrefix(name, wire.TenantPrefix) && chat.ValidName(strings.TrimPrefix(name, wire.TenantPrefix)):
		return config.KindTenant
	default:
		return config.Unknown
	}
}

// Documents lists all that are published, with what is wrong with each beside the others; without their texts.
func (d *Desk) Documents(ctx context.Context) ([]DocumentReport, error) {
	b, err := d.read()
	if err != nil {
		return nil, err
	}
	all, err := b.documents(ctx)
	if err != nil {
		return nil, err
	}
	faults, warnings := d.judge(all)
	list := []DocumentReport{}
	for _, doc := range all {
		list = append(list, DocumentReport{Name: doc.Name, Revision: liveconfig.Revision(doc.Content), Faults: faults[doc.Name], Warnings: warnings[doc.Name]})
	}
	return list, nil
}

// Document gives one as it is published. A secret that somebody wrote into it is left out.
func (d *Desk) Document(ctx context.Context, name string) (DocumentReport, error) {
	r := DocumentReport{Name: name}
	if documentKind(name) == config.Unknown {
		return r, chat.E(chat.NotFound, "documents", fmt.Errorf("%.60q is no live document's name: parley-routes, parley-degradation, parley-prices or tenant.NAME", name))
	}
	b, err := d.read()
	if err != nil {
		return r, err
	}
	content, exists, err := b.get(ctx, name)
	if err != nil || !exists {
		return r, err
	}
	r.Revision = liveconfig.Revision(content)
	r.Content, r.Masked = masked(content)
	faults, warnings := d.judge([]config.Document{{File: name, Kind: documentKind(name), Name: name, Content: content}})
	r.Faults, r.Warnings = faults[name], warnings[name]
	return r, nil
}

// JudgeDocument says what a new form of a document would be beside the others, as `parley check` does, and what it would change.
func (d *Desk) JudgeDocument(ctx context.Context, name string, content []byte) (Judgement, error) {
	j, _, err := d.judgeDocument(ctx, name, content)
	return j, err
}

func (d *Desk) judgeDocument(ctx context.Context, name string, content []byte) (j Judgement, old []byte, err error) {
	kind := documentKind(name)
	if kind == config.Unknown {
		return j, nil, chat.E(chat.Invalid, "documents", fmt.Errorf("%.60q is no live document's name: parley-routes, parley-degradation, parley-prices or tenant.NAME", name))
	}
	b, err := d.read()
	if err != nil {
		return j, nil, err
	}
	all, err := b.documents(ctx)
	if err != nil {
		return j, nil, err
	}
	before, _ := d.judge(all)
	at := slices.IndexFunc(all, func(d config.Document) bool { return d.Name == name })
	if at < 0 {
		all, at = append(all, config.Document{File: name, Kind: kind, Name: name}), len(all)
	} else {
		old = all[at].Content
		j.Base = liveconfig.Revision(old)
	}
	all[at].Content = content
	faults, warnings := d.judge(all)
	j.Revision, j.Faults, j.Warnings, j.Elsewhere = liveconfig.Revision(content), faults[name], warnings[name], []string{}
	for other, list := range faults {
		for _, f := range list {
			if other != name && !slices.Contains(before[other], f) {
				j.Elsewhere = append(j.Elsewhere, f)
			}
		}
	}
	safe, _ := masked(old)
	shown, _ := masked(content)
	if j.Difference = difference([]byte(safe), []byte(shown)); bytes.Equal(old, content) {
		j.Difference = ""
	}
	return j, old, nil
}

// PublishDocument publishes a new form of a document by compare-and-set, if nothing is wrong with it. base is the revision that its author saw.
func (d *Desk) PublishDocument(ctx context.Context, env wire.Env, name string, content []byte, base, reason string) (Judgement, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	j, old, err := d.judgeDocument(ctx, name, content)
	switch {
	case err != nil:
		return j, err
	case j.Base != base:
		return j, ErrChanged
	case len(j.Faults)+len(j.Elsewhere) > 0:
		return j, errFaulty
	case old != nil && bytes.Equal(old, content):
		return j, nil
	}
	e := audit.Entry{Action: "publish", Object: name, Tenant: strings.TrimPrefix(name, wire.TenantPrefix), Reason: reason, Details: map[string]string{"was": base, "revision": j.Revision}}
	if e.Tenant == name {
		e.Tenant = ""
	}
	if ahead(env) {
		if _, err := Record(ctx, env, d.store, d.cfg.Audit(), e); err != nil {
			return j, unrecorded(err)
		}
	}
	b, err := d.read()
	if err == nil {
		err = b.publish(ctx, name, content, old)
	}
	if err != nil && ahead(env) || err == nil && !ahead(env) {
		if err != nil {
			e.Details["failed"] = wire.Reason(err)
		}
		recordAfter(ctx, env, d, e)
	}
	return j, err
}

// documents reads all that are published. One that goes meanwhile is none.
func (b *board) documents(ctx context.Context) ([]config.Document, error) {
	names, err := b.names(ctx)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return documentKind(n) == config.Unknown })
	all := make([]config.Document, len(names))
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	room := make(chan struct{}, 16) // a company may have a thousand tenants
	for i, name := range names {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			content, exists, err := b.get(ctx, name)
			if errs[i] = err; exists {
				all[i] = config.Document{File: name, Kind: documentKind(name), Name: name, Content: content}
			}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(all, func(d config.Document) bool { return d.Name == "" }), errors.Join(errs...)
}

// judge says what is wrong with documents, alone and beside each other, by name and in words. Secrets need not be on this machine.
func (d *Desk) judge(all []config.Document) (faults, warnings map[string][]string) {
	j := &judge{secrets: wire.NewSecrets(nil).At(d.cfg.SecretsDir())}
	found := map[string]config.Faults{}
	decoders := j.decoders()
	for _, doc := range all {
		found[doc.Name] = decoders[doc.Kind](doc)
	}
	for name, more := range j.together(time.Now()) {
		found[name] = append(found[name], more...)
	}
	faults, warnings = map[string][]string{}, map[string][]string{}
	for _, doc := range all {
		faults[doc.Name], warnings[doc.Name] = []string{}, []string{} // [], not null
		for _, f := range found[doc.Name].Sorted() {
			faults[doc.Name] = append(faults[doc.Name], f.String())
		}
	}
	for _, w := range j.warnings {
		w.What = strings.TrimPrefix(w.What, "warning: ")
		warnings[w.File] = append(warnings[w.File], w.String())
	}
	return faults, warnings
}
