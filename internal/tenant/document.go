package tenant

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"parley/internal/chat"
)

// Options are what decoding needs from outside.
type Options struct {
	File     string // what faults call the document
	Name     string // the name that it must bear, from the document's own name; empty: any
	Revision string
	// Resolve gives the secret of a reference in the tenant's scope. An error's text is shown. The zero Secret without an error
	// stands for a secret that need not be there, because the document is only checked. nil: every reference gives the zero Secret.
	Resolve func(tenant, ref string) (chat.Secret, error)
	Kinds   []string // the kinds of channel there are; nil: any
	Texts   []string // the names of texts that may be overridden; nil: any
	// Origin says why a moderation hook may not have an origin (scheme://host[:port]); nil: every one may be called.
	Origin func(origin string) error
	Blank  func(word string) bool // a forbidden word that could never be found; nil: none is
}

// Document is a decoded tenant document.
type Document struct {
	Tenant   *chat.Tenant
	Channels []ChannelDoc // those of a known kind
	reader   *reader
	root     *section // nil: the document is no list of keys
}

// ChannelDoc is one entry under channels.
type ChannelDoc struct {
	Name     string
	Kind     string
	Settings *Settings
}

// Defaults of a tenant document, and how far it may go.
const (
	defaultTurns    = 20
	defaultTTL      = 30 * time.Minute
	defaultBytes    = 64 << 10
	defaultRate     = 20
	defaultInFlight = 5000
	defaultMaxWait  = 5 * time.Minute
	defaultBusy     = 30 * time.Second
	defaultMaxInput = 8000

	maxTurns    = 1000
	maxBytes    = 4 << 20
	maxTTL      = 365 * 24 * time.Hour
	maxPrompt   = 64 << 10
	maxText     = 2000
	maxChannels = 100
	million     = 1_000_000
)

var (
	providerPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,31}$`)
	modelPattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$`)
)

// Decode reads a tenant document. It always returns a Document; only when channels have been made from their settings and Err returns
// nil may it be used.
func Decode(content []byte, opt Options) *Document {
	if opt.Resolve == nil {
		opt.Resolve = func(_, _ string) (chat.Secret, error) { return chat.Secret{}, nil }
	}
	r := &reader{file: opt.File}
	doc := &Document{Tenant: &chat.Tenant{Name: opt.Name, Revision: opt.Revision}, reader: r}
	root := r.parse(content)
	if root == nil {
		return doc
	}
	s := r.section(root, "")
	doc.root = s
	t := doc.Tenant
	t.Name = name(s, opt)
	t.Suspended = s.choice("state", "active", "suspended") == "suspended"
	t.Model = model(s)
	t.System, _ = s.text("system_prompt")
	if len(t.System) > maxPrompt {
		s.faultAt("system_prompt", fmt.Sprintf("holds %d bytes", len(t.System)), fmt.Sprintf("at most %d are sent with every turn", maxPrompt))
	}
	t.Language = s.choice("language", "zh", "en")
	t.Providers = providers(s)
	t.Keys = keys(s, t, opt)
	t.History = history(s.sub("history"))
	t.Limits = limits(s.sub("limits"))
	t.Texts = texts(s.sub("texts"), opt.Texts)
	t.Mark = s.choice("mark", "true", "false") == "true"
	t.Merge = s.choice("merge", "false", "true") == "true"
	t.Moderation = moderation(s, t, opt)
	doc.Channels = channels(s, t, opt)
	s.unknown("unknown key", "known keys: name, state, model, system_prompt, language, providers, keys, history, limits, texts, mark, merge, moderation, channels")
	return doc
}

// Err returns every fault of the document as Faults, ordered by line; nil: there are none. Call it after the channels have read their
// settings: fields that no channel read are faults.
func (d *Document) Err() error {
	for _, c := range d.Channels {
		c.Settings.finish()
	}
	if len(d.reader.faults) == 0 {
		return nil
	}
	return d.reader.faults.Sorted()
}

// Clash adds what is wrong with the channels together.
func (d *Document) Clash(err error) { d.root.faultAt("channels", err.Error(), "") }

func name(s *section, opt Options) string {
	got, ok := s.text("name")
	switch {
	case !ok && s.fields["name"].value != nil: // text has said why
	case !ok:
		s.faultAt("name", "is missing", "write the tenant's name")
	case !chat.ValidName(got):
		s.faultAt("name", fmt.Sprintf("%q is not a tenant's name", got), "names are made of a-z, 0-9 and -, at most 32")
	case opt.Name != "" && got != opt.Name:
		s.faultAt("name", fmt.Sprintf("%q stands in the document of %s", got, opt.Name), "write name: "+opt.Name+", or rename the document to tenant."+got)
	default:
		return got
	}
	return opt.Name
}

func model(s *section) string {
	m, ok := s.text("model")
	if !ok {
		return "chat"
	}
	if !modelPattern.MatchString(m) {
		s.faultAt("model", fmt.Sprintf("%q is not a model class", m), "write a name that stands under models in parley-routes, as in chat")
		return "chat"
	}
	return m
}

// providers is nil if the field is absent: then the data may go to whatever the route names.
func providers(s *section) []string {
	if s.get("providers") == nil {
		return nil
	}
	var list []string
	for i, item := range s.items("providers", false) {
		at := fmt.Sprintf("%s[%d]", s.at("providers"), i)
		switch {
		case item.Kind != yaml.ScalarNode || !providerPattern.MatchString(item.Value):
			s.fault(item.Line, at, "is not a provider's name", "write a name that stands under providers in parley-routes, as in openai")
		case slices.Contains(list, item.Value):
			s.fault(item.Line, at, fmt.Sprintf("%q stands twice", item.Value), "keep one of them")
		default:
			list = append(list, item.Value)
		}
	}
	if n := s.get("providers"); n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		s.faultAt("providers", "allows no provider at all", "name at least one, or remove the line to allow all that the route names")
	}
	return list
}

func keys(s *section, t *chat.Tenant, opt Options) map[string][]chat.Secret {
	sub := s.sub("keys")
	if len(sub.order) == 0 {
		return nil
	}
	all := map[string][]chat.Secret{}
	for _, provider := range sub.order {
		if !providerPattern.MatchString(provider) {
			sub.faultAt(provider, "is not a provider's name", "write a name that stands under providers in parley-routes, as in openai")
			continue
		}
		if t.Providers != nil && !slices.Contains(t.Providers, provider) {
			sub.faultAt(provider, "is not among this tenant's providers, so the key is never used", "add it to providers, or remove the key")
		}
		set := &Settings{section: sub, tenant: t.Name, resolve: opt.Resolve}
		all[provider] = set.Secrets(provider) // also without a key: the platform's is not to be spent
	}
	return all
}

func history(s *section) chat.HistoryLimits {
	defer s.unknown("unknown key", "known keys: turns, bytes, ttl, group")
	return chat.HistoryLimits{
		Turns: s.count("turns", defaultTurns, 0, maxTurns),
		Bytes: s.count("bytes", defaultBytes, 1<<10, maxBytes),
		TTL:   s.duration("ttl", defaultTTL, time.Second, maxTTL),
		Group: s.choice("group", "member", "group", "thread"),
	}
}

func limits(s *section) chat.TenantLimits {
	defer s.unknown("unknown key", "known keys: per_user_per_minute, turns_in_flight, max_wait, busy_after, max_input, max_prompt, max_output, tokens_per_day, "+
		"user_tokens_per_day")
	return chat.TenantLimits{
		UserPerMinute: s.count("per_user_per_minute", defaultRate, 0, million),
		TurnsInFlight: s.count("turns_in_flight", defaultInFlight, 0, million),
		MaxWait:       s.duration("max_wait", defaultMaxWait, 0, 24*time.Hour),
		BusyAfter:     s.duration("busy_after", defaultBusy, 0, 24*time.Hour),
		MaxInput:      s.count("max_input", defaultMaxInput, 0, million),
		MaxPrompt:     s.count("max_prompt", 0, 0, 100*million),
		MaxOutput:     s.count("max_output", 0, 0, 100*million),
		TokensPerDay:  s.count("tokens_per_day", 0, 0, million*million),
		UserPerDay:    s.count("user_tokens_per_day", 0, 0, million*million),
	}
}

func texts(s *section, known []string) map[string]string {
	all := map[string]string{}
	for _, name := range s.order {
		if known != nil && !slices.Contains(known, name) {
			s.known[name] = true
			s.faultAt(name, "is not a text's name", "known texts: "+strings.Join(known, ", "))
			continue
		}
		text, ok := s.text(name)
		switch {
		case !ok && s.fields[name].value != nil: // text has said why
		case strings.TrimSpace(text) == "":
			s.faultAt(name, "is empty", "write the text, or remove the line for Parley's own")
		case len(text) > maxText:
			s.faultAt(name, fmt.Sprintf("holds %d bytes", len(text)), fmt.Sprintf("at most %d fit into one message of every platform", maxText))
		default:
			all[name] = text
		}
	}
	return all
}

func channels(s *section, t *chat.Tenant, opt Options) []ChannelDoc {
	var all []ChannelDoc
	seen := map[string]bool{}
	items := s.items("channels", false)
	if len(items) > maxChannels {
		s.faultAt("channels", fmt.Sprintf("holds %d channels", len(items)), fmt.Sprintf("at most %d are served", maxChannels))
		return nil
	}
	for i, item := range items {
		at := fmt.Sprintf("channels[%d]", i)
		if item.Kind != yaml.MappingNode {
			s.fault(item.Line, at, "is not a channel", "write it as {name: …, kind: …}")
			continue
		}
		c := s.reader.section(item, at)
		name, ok := c.text("name")
		switch {
		case !ok && c.fields["name"].value == nil:
			c.faultAt("name", "is missing", "name the channel: its address is /callback/<tenant>/<name>")
		case ok && !chat.ValidName(name):
			c.faultAt("name", fmt.Sprintf("%q is not a channel's name", name), "names are made of a-z, 0-9 and -, at most 32")
		case ok && seen[name]:
			c.faultAt("name", fmt.Sprintf("%q is another channel's name", name), "give each channel its own")
		}
		seen[name] = true
		kind, ok := c.text("kind")
		switch {
		case !ok && c.fields["kind"].value == nil:
			c.faultAt("kind", "is missing", "write one of: "+strings.Join(opt.Kinds, ", "))
		case ok && opt.Kinds != nil && !slices.Contains(opt.Kinds, kind):
			c.faultAt("kind", fmt.Sprintf("%q is not a kind of channel", kind), "write one of: "+strings.Join(opt.Kinds, ", "))
		case ok:
			all = append(all, ChannelDoc{Name: name, Kind: kind, Settings: &Settings{section: c, tenant: t.Name, name: name, group: t.History.Group, lang: t.Language, resolve: opt.Resolve}})
		}
	}
	return all
}
