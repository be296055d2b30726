package rig

import (
	"cmp"
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
	// User is who asks all that is asked here; empty: nacos. Without a Password Nacos wants no login.
	User, Password string
}

// Post makes a request of Nacos's own API, such as one about users.
func (n Nacos) Post(ctx context.Context, path string, form url.Values) error {
	return n.post(ctx, path, form)
}

// Put is Post with the method PUT, whose values Nacos reads from the query alone.
func (n Nacos) Put(ctx context.Context, path string, form url.Values) error {
	return n.request(ctx, http.MethodPut, path+"?"+form.Encode(), nil)
}

// address is a path's, with a token where Nacos wants one.
func (n Nacos) address(ctx context.Context, path string) (string, error) {
	address := "http://" + n.Addr + path
	if n.Password == "" {
		return address, nil
	}
	token, err := n.logIn(ctx)
	if err != nil {
		return "", err
	}
	sign := "?"
	if strings.Contains(path, "?") {
		sign = "&"
	}
	return address + sign + "accessToken=" + url.QueryEscape(token), nil
}

func (n Nacos) logIn(ctx context.Context) (string, error) {
	login := url.Values{"username": {cmp.Or(n.User, "nacos")}, "password": {n.Password}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.Addr+"/nacos/v3/auth/user/login", strings.NewReader(login.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body, err := do(req)
	if err != nil {
		return "", err
	}
	defer body.Close()
	var got struct{ AccessToken string }
	err = json.NewDecoder(body).Decode(&got)
	return got.AccessToken, err
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
		address, err := n.address(ctx, "/nacos/v1/cs/configs?"+n.config(id).Encode())
		if err != nil {
			return err
		}
		body, err := get(ctx, address)
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
	address, err := n.address(ctx, path)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
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
	next := Nacos{Addr: old.Addr, User: old.User, Password: old.Password, Namespace: "parley-rig-" + strings.ToLower(rand.Text()[:12])}
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
