package secret

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"parley/internal/chat"
)

// Options are where secrets are found.
type Options struct {
	// Dir is the secrets folder: <Dir>/NAME for the static scope, <Dir>/<tenant>/NAME for a tenant's, <Dir>/_routes/NAME for the
	// routes. Empty or absent: no file: reference resolves.
	Dir string
	// Env looks a variable up; nil: os.LookupEnv.
	Env func(name string) (string, bool)
}

// Store resolves references and notices when the files behind them change. It keeps no values but the age identities. Safe for
// concurrent use.
type Store struct {
	dir string
	env func(string) (string, bool)

	mu         sync.Mutex
	identities []age.Identity
	noIdentity error                // why there are none
	identityOf signature            // of the file that they were read from last
	tenants    map[string]bool      // whose scope was asked for
	static     map[string]bool      // variables of the static configuration
	files      map[string]signature // every file asked for, absent ones too
	stale      bool                 // something besides a file changed what references resolve to
	listeners  []func()
}

// New makes a Store. The age identities come from the variable PARLEY_AGE_IDENTITY (the identity itself) or the file that
// PARLEY_AGE_IDENTITY_FILE names; faulty ones are reported when a sealed value is resolved.
func New(opt Options) *Store {
	s := &Store{dir: opt.Dir, env: opt.Env, tenants: map[string]bool{}, static: map[string]bool{}, files: map[string]signature{}}
	if s.env == nil {
		s.env = os.LookupEnv
	}
	s.identities, s.noIdentity = identities(s.env)
	if path := s.identityFile(); path != "" {
		s.identityOf = sign(path)
		s.files[path] = s.identityOf
	}
	return s
}

// Static is the scope of the static configuration: any variable, any file of the secrets folder.
func (s *Store) Static() Scope { return Scope{store: s, kind: static, name: "_static"} }

// Routes is the scope of parley-routes: variables that end in _API_KEY, and files below <dir>/_routes.
func (s *Store) Routes() Scope { return Scope{store: s, kind: routes, name: "_routes"} }

// Tenant is the scope of a tenant's document: variables that begin with the tenant's name in capitals and _, and files below
// <dir>/<tenant>. A name that no tenant can have makes a scope in which nothing resolves.
func (s *Store) Tenant(name string) Scope {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tenants[name] {
		s.tenants[name] = true
		s.stale = s.stale || s.shadows(name)
	}
	return Scope{store: s, kind: tenant, name: name}
}

// ResolveTenant resolves a reference in a tenant's scope.
func (s *Store) ResolveTenant(tenant, ref string) (chat.Secret, error) {
	return s.Tenant(tenant).Resolve(ref)
}

// ProbeTenant probes a reference in a tenant's scope.
func (s *Store) ProbeTenant(tenant, ref string) (chat.Secret, error) {
	return s.Tenant(tenant).Probe(ref)
}

// shadows reports whether some known tenant could until now have named variables that are name's own: acme those of acme-eu.
func (s *Store) shadows(name string) bool {
	for other := range s.tenants {
		if other != name && strings.HasPrefix(prefix(name), prefix(other)) {
			return true
		}
	}
	return false
}

// prefix is how a tenant's variables begin.
func prefix(tenant string) string {
	return strings.ToUpper(strings.ReplaceAll(tenant, "-", "_")) + "_"
}

// OnChange has fn called, from Watch's goroutine, whenever a reference may resolve to something else than before: whoever holds
// resolved values should resolve them again. fn must not block long.
func (s *Store) OnChange(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, fn)
}

func (s *Store) notify() {
	s.mu.Lock()
	listeners := s.listeners[:len(s.listeners):len(s.listeners)]
	s.mu.Unlock()
	for _, fn := range listeners {
		fn()
	}
}

// Watch looks every second whether a file that was asked for has changed, appeared or gone, until ctx ends. Kubernetes' way of
// swapping a mounted folder by a symlink is seen too.
func (s *Store) Watch(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if s.poll() {
				s.notify()
			}
		}
	}
}

// poll reports whether a file differs from what it was when it was last resolved or polled, or another tenant's coming took
// variables from one.
func (s *Store) poll() bool {
	s.mu.Lock()
	paths := make(map[string]signature, len(s.files))
	for path, sig := range s.files {
		paths[path] = sig
	}
	changed := s.stale
	s.stale = false
	s.mu.Unlock()
	for path, old := range paths {
		now := sign(path)
		if now == old {
			continue
		}
		changed = true
		s.mu.Lock()
		s.files[path] = now
		s.mu.Unlock()
	}
	return changed
}
