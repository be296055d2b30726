package wire

import (
	"parley/internal/chat"
	"parley/internal/secret"
)

// Secrets makes one store per secrets folder, when it is first asked for: the static configuration names the folder that its own references
// need. Not for concurrent use.
type Secrets struct {
	env   func(string) (string, bool) // nil: the process's
	byDir map[string]*secret.Store
}

// NewSecrets looks variables up with env, in the process's own environment if it is nil.
func NewSecrets(env func(string) (string, bool)) *Secrets {
	return &Secrets{env: env, byDir: map[string]*secret.Store{}}
}

// At is the store of one folder.
func (s *Secrets) At(dir string) *secret.Store {
	if s.byDir[dir] == nil {
		s.byDir[dir] = secret.New(secret.Options{Dir: dir, Env: s.env})
	}
	return s.byDir[dir]
}

// Static resolves references of client.yaml and server.yaml.
func (s *Secrets) Static(dir string) func(ref string) (chat.Secret, error) {
	return s.At(dir).Static().Resolve
}

// Probe resolves references of the static configuration where their targets need not exist.
func (s *Secrets) Probe(dir string) func(string) (chat.Secret, error) {
	return s.At(dir).Static().Probe
}
