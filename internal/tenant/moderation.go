package tenant

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"parley/internal/chat"
)

// How far moderation may go.
const (
	maxWords    = 50000
	maxWord     = 64 // characters
	defaultHook = 2 * time.Second
	maxHook     = 10 * time.Second
)

// moderation is nil if the document has none.
func moderation(s *section, t *chat.Tenant, opt Options) *chat.Moderation {
	if s.get("moderation") == nil {
		return nil
	}
	sub := s.sub("moderation")
	defer sub.unknown("unknown key", "known keys: words, on, hook")
	m := &chat.Moderation{Words: words(sub, t, opt), On: directions(sub)}
	if sub.get("hook") != nil {
		m.Hook = hook(sub.sub("hook"), t, opt)
	}
	if len(m.Words) == 0 && m.Hook == nil && len(s.reader.faults) == 0 {
		sub.faultAt("words", "is missing, and so is hook", "write words: [...], or words: file:NAME, or a hook, or remove moderation")
	}
	return m
}

// words reads a list, in which file:NAME stands for the lines of a file in the tenant's folder of secrets. Lines that begin with # are comments.
func words(s *section, t *chat.Tenant, opt Options) (all []string) {
	for i, item := range s.items("words", true) {
		at := fmt.Sprintf("%s[%d]", s.at("words"), i)
		switch {
		case item.Kind != yaml.ScalarNode:
			s.fault(item.Line, at, "is not a word", "write a word, or file:NAME")
		case strings.HasPrefix(item.Value, "file:"):
			set := &Settings{section: s, tenant: t.Name, resolve: opt.Resolve}
			list := set.reference(item, "words", at)
			for n, line := range strings.Split(list.Reveal(), "\n") {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					all = append(all, word(s, item.Line, fmt.Sprintf("%s, line %d of the file", at, n+1), line, opt)...)
				}
			}
		default:
			all = append(all, word(s, item.Line, at, item.Value, opt)...)
		}
	}
	if len(all) > maxWords {
		s.faultAt("words", fmt.Sprintf("holds %d words", len(all)), fmt.Sprintf("at most %d are looked for; leave more to a hook", maxWords))
	}
	return all
}

func word(s *section, line int, at, w string, opt Options) []string {
	switch {
	case len([]rune(w)) > maxWord:
		s.fault(line, at, "is too long for a word", fmt.Sprintf("at most %d characters", maxWord))
	case opt.Blank != nil && opt.Blank(w):
		s.fault(line, at, "has no letter and no digit, so it would never be found", "remove it")
	default:
		return []string{w}
	}
	return nil
}

// directions are both without the field.
func directions(s *section) (d chat.Directions) {
	if s.get("on") == nil {
		return chat.Directions{Input: true, Output: true}
	}
	for i, item := range s.items("on", true) {
		switch chat.Direction(item.Value) {
		case chat.Input:
			d.Input = true
		case chat.Output:
			d.Output = true
		default:
			s.fault(item.Line, fmt.Sprintf("%s[%d]", s.at("on"), i), fmt.Sprintf("%q is not known", item.Value), "write [input, output], or one of them")
		}
	}
	if d == (chat.Directions{}) {
		s.faultAt("on", "names neither input nor output", "write [input, output], or one of them, or remove the line for both")
	}
	return d
}

func hook(s *section, t *chat.Tenant, opt Options) *chat.Hook {
	defer s.unknown("unknown key", "known keys: url, secret, timeout, fail, on")
	h := &chat.Hook{Timeout: s.duration("timeout", defaultHook, 50*time.Millisecond, maxHook), FailOpen: s.choice("fail", "closed", "open") == "open", On: directions(s)}
	h.URL, _ = s.text("url")
	u, err := url.Parse(h.URL)
	switch {
	case h.URL == "":
		s.faultAt("url", "is missing", "write the address that judges texts, as in https://moderation.example.com/judge")
	case err != nil || !slices.Contains([]string{"https", "http"}, u.Scheme) || u.Host == "" || u.User != nil || u.Fragment != "":
		s.faultAt("url", "is no http or https address without credentials", "write it as in https://moderation.example.com/judge")
	case opt.Origin != nil:
		if err := opt.Origin(u.Scheme + "://" + u.Host); err != nil {
			s.faultAt("url", err.Error(), "")
		}
	}
	set := &Settings{section: s, tenant: t.Name, resolve: opt.Resolve}
	h.Secret = set.Secret("secret")
	return h
}
