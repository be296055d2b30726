package app

import (
	"parley/internal/chat"
	"parley/internal/secret"
)

// secretStores makes one store per secrets folder: the static configuration names the folder that its own references need.
type secretStores struct {
	env   func(string) (string, bool) // nil: the process's
	byDir map[string]*secret.Store
}

func secretsOf(env func(string) (string, bool)) *secretStores {
	return &secretStores{env: env, byDir: map[string]*secret.Store{}}
}

func (s *secretStores) at(dir string) *secret.Store {
	if s.byDir[dir] == nil {
		s.byDir[dir] = secret.New(secret.Options{Dir: dir, Env: s.env})
	}
	return s.byDir[dir]
}

// static resolves references of client.yaml and server.yaml.
func (s *secretStores) static(dir string) func(ref string) (chat.Secret, error) {
	return s.at(dir).Static().Resolve
}
