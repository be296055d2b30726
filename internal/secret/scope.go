package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"parley/internal/chat"
)

type kind int

const (
	static kind = iota
	routes
	tenant
)

// Scope is what one writer's references may reach. It is a small value, safe to copy and for concurrent use.
type Scope struct {
	store *Store
	kind  kind
	name  string // the tenant's, or _static or _routes, which no tenant can have; sealed values bear it
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Resolve gives the secret that ref names. Errors are of kind Invalid (not a reference: the text is never repeated), Forbidden
// (outside the scope) or NotFound (nothing there; also fs.ErrNotExist) and say how to mend it.
func (s Scope) Resolve(ref string) (chat.Secret, error) {
	scheme, rest, ok := strings.Cut(ref, ":")
	if !ok || (scheme != "env" && scheme != "file" && scheme != "age") {
		return chat.Secret{}, invalid("is a literal where a secret's reference belongs; write env:NAME or file:NAME and keep the secret there")
	}
	if s.kind == tenant && !chat.ValidName(s.name) {
		return chat.Secret{}, forbidden("a document whose tenant has no valid name reaches no secrets; mend the name first")
	}
	switch scheme {
	case "env":
		return s.fromEnv(rest)
	case "file":
		return s.fromFile(rest)
	default:
		return s.fromAge(rest)
	}
}

// Probe is Resolve for checking a document where its secrets need not be: a reference in good form and within its scope whose
// target is absent gives the zero Secret and no error.
func (s Scope) Probe(ref string) (chat.Secret, error) {
	v, err := s.Resolve(ref)
	if errors.Is(err, fs.ErrNotExist) {
		return chat.Secret{}, nil
	}
	return v, err
}

func (s Scope) fromEnv(name string) (chat.Secret, error) {
	if !envName.MatchString(name) {
		return chat.Secret{}, invalid("names no environment variable; write env:NAME with letters, digits and _")
	}
	if err := s.mayRead(name); err != nil {
		return chat.Secret{}, err
	}
	value, ok := s.store.env(name)
	if !ok {
		return chat.Secret{}, absent(fmt.Sprintf("the environment variable %s is not set; set it for this process", name))
	}
	if value == "" && s.kind != static { // a Redis or Nacos may do without a password; nothing else may
		return chat.Secret{}, absent(fmt.Sprintf("the environment variable %s is empty; give it the secret", name))
	}
	return chat.NewSecret(value), nil
}

// mayRead checks a variable's name against the scope's rule.
func (s Scope) mayRead(name string) error {
	switch s.kind {
	case routes:
		if !strings.HasSuffix(name, "_API_KEY") {
			return forbidden(fmt.Sprintf("the environment variable %s is out of reach: routes may only name variables that end in _API_KEY", name))
		}
	case tenant:
		if !strings.HasPrefix(name, prefix(s.name)) {
			return forbidden(fmt.Sprintf("the environment variable %s is out of reach: tenant %s may only name variables that begin with %s",
				name, s.name, prefix(s.name)))
		}
		if owner := s.store.owner(name, s.name); owner != "" {
			return forbidden(fmt.Sprintf("the environment variable %s is out of reach: it belongs to %s", name, owner))
		}
	case static:
		s.store.mu.Lock()
		s.store.static[name] = true
		s.store.mu.Unlock()
	}
	return nil
}

// owner tells to whom a variable belongs although the rule of prefixes would give it to the tenant: ACME_EU_KEY is acme-eu's, not
// acme's, and a tenant called redis does not get the REDIS_PASSWORD of this process.
func (s *Store) owner(variable, tenant string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.static[variable] || strings.HasPrefix(variable, "PARLEY_") {
		return "the static configuration"
	}
	for other := range s.tenants {
		if len(other) > len(tenant) && chat.ValidName(other) && strings.HasPrefix(variable, prefix(other)) {
			return "tenant " + other
		}
	}
	return ""
}

func invalid(what string) error   { return chat.E(chat.Invalid, "secret", errors.New(what)) }
func forbidden(what string) error { return chat.E(chat.Forbidden, "secret", errors.New(what)) }

// absentError reads as its text alone and is fs.ErrNotExist.
type absentError string

func (e absentError) Error() string        { return string(e) }
func (e absentError) Is(target error) bool { return target == fs.ErrNotExist }

func absent(what string) error { return chat.E(chat.NotFound, "secret", absentError(what)) }
