package deploy

import (
	"bytes"
	"fmt"
	"os"
	"regexp"

	"gopkg.in/yaml.v3"
)

// composition is as much of the compose specification as compose.yaml uses; other keys are faults, so that a misspelt one is found.
type composition struct {
	Name     string
	Template service           `yaml:"x-parley"`
	Traces   map[string]string `yaml:"x-traces"`
	Services map[string]service
	Networks map[string]struct{ Internal bool }
	Volumes  map[string]struct{}
}

type service struct {
	Image    string
	Profiles []string
	Build    *struct {
		Context, Dockerfile string
		Args                map[string]string
	}
	Command     []string
	Environment map[string]string
	Volumes     []string
	Ports       []string
	Networks    []string
	DependsOn   dependencies `yaml:"depends_on"`
	Deploy      struct{ Replicas int }
	Restart     string
	Healthcheck *struct {
		Test              []string
		Interval, Timeout string
		Retries           int
	}
	StopGracePeriod string `yaml:"stop_grace_period"`
	ReadOnly        bool   `yaml:"read_only"`
	Tmpfs           []string
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	Ulimits         map[string]struct{ Soft, Hard int }
}

// dependencies are the services that another waits for, and until when.
type dependencies map[string]string

// UnmarshalYAML takes both forms of depends_on.
func (d *dependencies) UnmarshalYAML(n *yaml.Node) error {
	*d = dependencies{}
	if n.Kind == yaml.SequenceNode {
		var names []string
		if err := n.Decode(&names); err != nil {
			return err
		}
		for _, name := range names {
			(*d)[name] = "service_started"
		}
		return nil
	}
	var long map[string]struct{ Condition string }
	if err := n.Decode(&long); err != nil {
		return err
	}
	for name, dep := range long {
		(*d)[name] = dep.Condition
	}
	return nil
}

// readComposition decodes the file after putting values in place of its ${VARIABLES}, as compose does.
func readComposition(path string, env map[string]string) (*composition, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text, err := interpolate(string(raw), env)
	if err != nil {
		return nil, err
	}
	dec := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	dec.KnownFields(true)
	var c composition
	return &c, dec.Decode(&c)
}

var variable = regexp.MustCompile(`\$\$|\$\{([A-Z_]+)(?::([-?])([^}]*))?\}`)

// interpolate knows ${NAME}, ${NAME:-default}, ${NAME:?message} and $$.
func interpolate(text string, env map[string]string) (string, error) {
	var missing error
	out := variable.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$$" {
			return "$"
		}
		m := variable.FindStringSubmatch(found)
		value := env[m[1]]
		switch {
		case value != "":
		case m[2] == "-":
			value = m[3]
		case m[2] == "?":
			missing = fmt.Errorf("%s: %s", m[1], m[3])
		}
		return value
	})
	return out, missing
}
