package operate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"parley/internal/app/wire"
	"parley/internal/route"
)

// switchEdit is one operator's change of parley-degradation. It edits the document's own YAML, so that comments and other switches stay.
type switchEdit struct {
	root  *yaml.Node
	list  *yaml.Node // the sequence under switches
	blank bool       // there was no such sequence: servers refuse that form and keep the one before
}

// openSwitches opens a document for editing and reads what it means. A blank one means no switch here.
func openSwitches(content []byte) (*switchEdit, *route.Degradation, error) {
	e, err := editSwitches(content)
	if err != nil {
		return nil, nil, err
	}
	was, err := route.ParseDegradation(content, wire.DegradationDocument, "")
	if err != nil && e.blank {
		_, was, err = e.result()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("what stands there is faulty; mend it by hand first:\n%s", wire.Reason(err))
	}
	return e, was, nil
}

// editSwitches opens a document for editing; nil content is a new one.
func editSwitches(content []byte) (*switchEdit, error) {
	if text := string(bytes.TrimSpace(content)); text == "" || text == "null" || text == "~" {
		return blankSwitches("")
	}
	var root yaml.Node
	if err := yaml.Unmarshal(content, &root); err != nil {
		return nil, fmt.Errorf("%s is not YAML; mend it by hand first: %w", wire.DegradationDocument, err)
	}
	if root.Kind == 0 { // nothing but comments: they stay in front
		return blankSwitches(string(bytes.TrimRight(content, "\n")) + "\n")
	}
	if root.Kind != yaml.DocumentNode || root.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New(wire.DegradationDocument + " is not a list of keys; mend it by hand first")
	}
	list := field(root.Content[0], "switches")
	if list != nil && list.Kind == yaml.SequenceNode {
		return &switchEdit{root: &root, list: list}, nil
	}
	if list != nil && list.Tag != "!!null" {
		return nil, errors.New("switches in " + wire.DegradationDocument + " is no list; mend it by hand first")
	}
	list = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	root.Content[0].Style = 0 // of {}: the whole document would be one line
	set(root.Content[0], "switches", list)
	return &switchEdit{root: &root, list: list, blank: true}, nil
}

// blankSwitches is an edit of a document without switches, after its comments.
func blankSwitches(comments string) (*switchEdit, error) {
	e, err := editSwitches([]byte(comments + "switches: []\n"))
	if err == nil {
		e.blank = true
	}
	return e, err
}

func field(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

func set(m *yaml.Node, key string, v *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			v.LineComment, v.HeadComment, v.FootComment = m.Content[i+1].LineComment, m.Content[i+1].HeadComment, m.Content[i+1].FootComment
			m.Content[i+1] = v
			return
		}
	}
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, v)
}

func scalar(v any) *yaml.Node {
	var n yaml.Node
	_ = n.Encode(v) // strings, booleans and lists of strings always encode
	if n.Kind == yaml.SequenceNode {
		n.Style = yaml.FlowStyle
	}
	return &n
}

// switchOf finds a switch by id, or adds one, and puts it in front: the first that fits decides.
func (e *switchEdit) switchOf(id string) *yaml.Node {
	for i, s := range e.list.Content {
		if v := field(s, "id"); v != nil && v.Value == id {
			e.list.Content = slices.Insert(slices.Delete(e.list.Content, i, i+1), 0, s)
			return s
		}
	}
	s := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	set(s, "id", scalar(id))
	e.list.Style = 0
	e.list.Content = slices.Insert(e.list.Content, 0, s)
	return s
}

// unset empties a key that stands there, and writes none that does not: servers of an older release refuse keys that they do not know.
func unset(m *yaml.Node, key string) {
	if field(m, key) != nil {
		set(m, key, scalar(""))
	}
}

// end writes until when a switch is to last and how it ends.
func end(s *yaml.Node, until time.Time, ramp time.Duration) {
	if until.IsZero() {
		set(s, "until", scalar(""))
	} else {
		set(s, "until", scalar(until.Truncate(time.Second).Format(time.RFC3339)))
	}
	if ramp > 0 {
		set(s, "ramp", scalar(briefly(ramp)))
	} else {
		unset(s, "ramp")
	}
}

// briefly writes 15m0s as 15m.
func briefly(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// degrade switches on, wholly: a ramp under way ends.
func (e *switchEdit) degrade(o DegradeOptions, by string, now time.Time) {
	s := e.switchOf(o.id())
	var until time.Time
	if o.For > 0 {
		until = now.Add(o.For)
	}
	set(s, "active", scalar(true))
	set(s, "to", scalar(o.To))
	set(s, "tenants", scalar(append([]string{}, o.Tenants...)))
	set(s, "providers", scalar(append([]string{}, o.Providers...)))
	set(s, "reason", scalar(o.Reason))
	set(s, "by", scalar(by))
	end(s, until, o.Ramp)
}

// restored is what a restore did.
type restored struct {
	ids   []string
	notes []string // on switches that it left as they are
}

// restore switches off what is active, or lets it end by a ramp: the named switches, or all. was is the document's meaning. A name that is no
// switch is an error.
func (e *switchEdit) restore(o RestoreOptions, was *route.Degradation, by string, now time.Time) (restored, error) {
	var done restored
	for _, id := range o.IDs {
		if find(was, id) == nil {
			return done, fmt.Errorf("there is no switch %q in %s", id, wire.DegradationDocument)
		}
	}
	for i, s := range e.list.Content {
		sw := &was.Switches[i] // both have the document's order
		if !sw.Active || len(o.IDs) > 0 && !slices.Contains(o.IDs, sw.ID) {
			continue
		}
		share := sw.Share(now)
		switch {
		case o.Ramp > 0 && share > 0 && share < 1:
			done.notes = append(done.notes, fmt.Sprintf("switch %q is returning already, the last turns on %s; `parley restore %s` ends it at once",
				sw.ID, sw.Until.Format(time.RFC3339), sw.ID))
			continue
		case o.Ramp > 0 && share > 0:
			end(s, now.Add(o.Ramp), o.Ramp)
		default:
			set(s, "active", scalar(false))
			end(s, time.Time{}, 0)
		}
		set(s, "by", scalar(by))
		if o.Reason != "" {
			set(s, "reason", scalar(o.Reason))
		} else { // the old one is another operator's, and says why the switch is on
			unset(s, "reason")
		}
		done.ids = append(done.ids, sw.ID)
	}
	return done, nil
}

// result is the changed document, as text and as servers will read it.
func (e *switchEdit) result() ([]byte, *route.Degradation, error) {
	content, err := e.bytes()
	if err != nil {
		return nil, nil, err
	}
	d, err := route.ParseDegradation(content, wire.DegradationDocument, "")
	return content, d, err
}

func (e *switchEdit) bytes() ([]byte, error) {
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	err := errors.Join(enc.Encode(e.root), enc.Close())
	return out.Bytes(), err
}
