package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"sync"

	"parley/internal/chat"
)

// Options are what reading a configuration needs from the process around it.
type Options struct {
	// Env looks a variable up; nil: os.LookupEnv.
	Env func(name string) (string, bool)
	// Secrets makes the resolver of references for the configured secrets folder. An error that is fs.ErrNotExist says that the
	// reference's target is absent. nil: references are not resolved.
	Secrets func(dir string) func(ref string) (chat.Secret, error)
	// Elsewhere: the configuration is checked on another machine than it is meant for, so its certificates and folders need not exist.
	Elsewhere bool
}

// LoadClient reads client.yaml at path and the environment; an empty path means the environment alone. Its error is Faults, all of
// them at once.
func LoadClient(path string, opt Options) (*Client, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	return parseClient(path, content, opt)
}

// LoadServer reads server.yaml as LoadClient does client.yaml.
func LoadServer(path string, opt Options) (*Server, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	return parseServer(path, content, opt)
}

// LoadConsole reads console.yaml as LoadClient does client.yaml.
func LoadConsole(path string, opt Options) (*Console, error) {
	content, err := read(path)
	if err != nil {
		return nil, err
	}
	return parseConsole(path, content, opt)
}

func read(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Faults{{File: path, What: "does not exist", Mend: "check the path; configs/ holds annotated examples"}}
	case err != nil:
		return nil, Faults{{File: path, What: fmt.Sprintf("cannot be read: %v", err)}}
	}
	return content, nil
}

func parseClient(path string, content []byte, opt Options) (*Client, error) {
	c := DefaultClient()
	d := fill(path, content, reflect.ValueOf(c).Elem(), opt)
	d.validateClient(c, opt)
	d.resolve(opt, c.Secrets.Dir, map[string]*Credential{
		"redis.password": &c.Redis.Password, "registry.nacos.password": &c.Registry.Nacos.Password})
	if err := d.faults.Sorted().Err(); err != nil {
		return nil, err
	}
	return c, nil
}

func parseServer(path string, content []byte, opt Options) (*Server, error) {
	s := DefaultServer()
	d := fill(path, content, reflect.ValueOf(s).Elem(), opt)
	d.validateServer(s, opt)
	d.resolve(opt, s.Secrets.Dir, map[string]*Credential{"registry.nacos.password": &s.Registry.Nacos.Password})
	if err := d.faults.Sorted().Err(); err != nil {
		return nil, err
	}
	return s, nil
}

func parseConsole(path string, content []byte, opt Options) (*Console, error) {
	c := DefaultConsole()
	d := fill(path, content, reflect.ValueOf(c).Elem(), opt)
	d.validateConsole(c, opt)
	credentials := map[string]*Credential{"redis.password": &c.Redis.Password, "registry.nacos.password": &c.Registry.Nacos.Password}
	for i := range c.Users {
		credentials[fmt.Sprintf("users[%d].password", i)] = &c.Users[i].Password
	}
	d.resolve(opt, c.Secrets.Dir, credentials)
	d.validatePasswords(c, opt)
	if err := d.faults.Sorted().Err(); err != nil {
		return nil, err
	}
	return c, nil
}

func fill(path string, content []byte, v reflect.Value, opt Options) *decoder {
	d := &decoder{file: path, origins: map[string]origin{}}
	root, faults := parseYAML(path, content)
	d.faults = faults
	if root != nil {
		d.mapping(root, v, "")
	}
	env := opt.Env
	if env == nil {
		env = os.LookupEnv
	}
	d.environment(v, "", env)
	return d
}

// resolve replaces references by their values. A variable that is not set means no password, so that the examples work where none is
// needed; what needs one says so itself.
func (d *decoder) resolve(opt Options, dir string, credentials map[string]*Credential) {
	if opt.Secrets == nil {
		return
	}
	resolve := opt.Secrets(dir)
	for path, c := range credentials {
		if c.Ref == "" {
			continue
		}
		value, err := resolve(c.Ref)
		if err == nil {
			c.Secret = value
			if strings.HasPrefix(c.Ref, "file:") {
				c.now = reader(c.Ref, value, resolve)
			}
			continue
		}
		if _, set := d.origins[path]; (!set || strings.HasPrefix(c.Ref, "env:")) && errors.Is(err, fs.ErrNotExist) {
			c.Ref = ""
			continue
		}
		what := err.Error()
		if e, ok := errors.AsType[*chat.Error](err); ok && e.Err != nil {
			what = e.Err.Error() // the plain text, which says how to mend it; without the kind
		}
		d.fault(path, what, "")
	}
}

// reader resolves a reference again and again, and remembers what it gave last.
func reader(ref string, last chat.Secret, resolve func(string) (chat.Secret, error)) func() chat.Secret {
	var mu sync.Mutex
	return func() chat.Secret {
		mu.Lock()
		defer mu.Unlock()
		if value, err := resolve(ref); err == nil {
			last = value
		}
		return last
	}
}
