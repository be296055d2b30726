package rig

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Group is the group of Parley's documents.
const Group = "PARLEY"

// Nacos is one namespace of a Nacos server, spoken to over plain HTTP: nothing here shares code with what Parley reads it with.
type Nacos struct {
	Addr      string
	Namespace string // its id
}

// create makes the namespace.
func (n Nacos) create(ctx context.Context) error {
	return n.post(ctx, "/nacos/v3/admin/core/namespace", url.Values{"namespaceId": {n.Namespace}, "namespaceName": {n.Namespace}})
}

// drop removes the namespace with its documents, so that a shared Nacos does not fill up.
func (n Nacos) drop(ctx context.Context, documents []string) error {
	var errs []error
	for _, id := range documents {
		errs = append(errs, n.request(ctx, http.MethodDelete, "/nacos/v1/cs/configs?"+n.config(id).Encode(), nil))
	}
	q := url.Values{"namespaceId": {n.Namespace}}
	return errors.Join(append(errs, n.request(ctx, http.MethodDelete, "/nacos/v3/admin/core/namespace?"+q.Encode(), nil))...)
}

func (n Nacos) config(id string) url.Values {
	return url.Values{"tenant": {n.Namespace}, "dataId": {id}, "group": {Group}}
}

// Publish writes a document and returns once Nacos serves it, which is a moment after it took it.
func (n Nacos) Publish(ctx context.Context, id, content string) error {
	form := n.config(id)
	form.Set("content", content)
	form.Set("type", "yaml")
	if err := n.post(ctx, "/nacos/v1/cs/configs", form); err != nil {
		return err
	}
	for {
		body, err := get(ctx, "http://"+n.Addr+"/nacos/v1/cs/configs?"+n.config(id).Encode())
		if err == nil {
			served, _ := io.ReadAll(body)
			body.Close()
			if string(served) == content {
				return nil
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("nacos took %s and does not serve it: %w", id, ctx.Err())
		}
	}
}

// Version is what the server calls itself.
func (n Nacos) Version(ctx context.Context) string {
	body, err := get(ctx, "http://"+n.Addr+"/nacos/v3/admin/core/state")
	if err != nil {
		return "unknown"
	}
	defer body.Close()
	var state struct{ Data struct{ Version string } }
	if json.NewDecoder(body).Decode(&state) != nil || state.Data.Version == "" {
		return "unknown"
	}
	return state.Data.Version
}

func (n Nacos) post(ctx context.Context, path string, form url.Values) error {
	return n.request(ctx, http.MethodPost, path, form)
}

func (n Nacos) request(ctx context.Context, method, path string, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+n.Addr+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body, err := do(req)
	if err != nil {
		return err
	}
	return body.Close()
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
