package channeltest

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/chat"
)

// Suite describes a channel to the suite.
type Suite struct {
	// New makes a working channel. d is complete but for the platform's origin.
	New func(t *testing.T, d channel.Deps) channel.Channel
	// Origin sets the platform's address in d.
	Origin func(d *channel.Deps, address string)
	// Secrets are all credentials of the channel that New makes; none may show up in an error or a log line.
	Secrets []string
	// To is a message to reply to.
	To chat.Message
	// Text is what the person reads of a part.
	Text func(t *testing.T, p chat.Part) string
	// Limit is the most bytes of text in a part; 0: the platform has no limit.
	Limit int
	// MaxParts is how many parts the platform takes of one reply; the last then says that more was cut off. 0: any number.
	MaxParts int
	// Swallows says that the platform drops repeated requests, so that equal texts of different turns must make different parts.
	Swallows bool
	// SendsNowhere: replies are not posted to a platform.
	SendsNowhere bool
}

// Run checks what every channel promises: [channel.Channel]'s doc comments, one by one.
func Run(t *testing.T, s Suite) {
	t.Run("kind", func(t *testing.T) {
		c := s.New(t, s.deps(t, ""))
		if c.Kind() == "" || c.Live() < 0 {
			t.Errorf("Kind %q, Live %v", c.Kind(), c.Live())
		}
	})
	t.Run("parts", s.parts)
	t.Run("nothing to say", func(t *testing.T) {
		for _, text := range []string{"", " \n\t\n "} {
			parts, _ := s.New(t, s.deps(t, "")).Parts(s.To, text, 1)
			if len(parts) > 0 {
				t.Errorf("Parts(%q) made %q", text, parts)
			}
		}
	})
	t.Run("pace", func(t *testing.T) {
		p := s.New(t, s.deps(t, "")).Pace()
		if p.Every < 0 || p.Every > 0 && (p.Burst < 1 || time.Duration(p.Burst)*p.Every > chat.MaxPaceMemory) {
			t.Errorf("%+v: no burst, or one that takes longer to come back than it is remembered", p)
		}
	})
	t.Run("resendable", func(t *testing.T) {
		c := s.New(t, s.deps(t, ""))
		for age := time.Second; age < 100*time.Hour; age *= 2 {
			if !c.Resendable(age) && c.Resendable(2*age) {
				t.Errorf("a part of age %v may not be sent again, but one of %v may", age, 2*age)
			}
		}
	})
	if !s.SendsNowhere {
		t.Run("send", s.send)
	}
}

func (s Suite) parts(t *testing.T) {
	c := s.New(t, s.deps(t, ""))
	for name, text := range map[string]string{
		"short":   "好",
		"long":    strings.Repeat("很长的回答。", 3000),
		"code":    "看：\n```go\n" + strings.Repeat("fmt.Println(\"<&>\")\n", 500) + "```\n完",
		"one run": strings.Repeat("x", 9000),
		"emoji":   strings.Repeat("👩‍👩‍👧", 700),
		"bytes":   "a\xff\xfeb\x00c",
		"equal":   strings.Repeat(strings.Repeat("相同的一段", 400)+"\n\n", 3),
	} {
		t.Run(name, func(t *testing.T) {
			parts, err := c.Parts(s.To, text, 7)
			if err != nil || len(parts) == 0 {
				t.Fatalf("%d parts, error %v", len(parts), err)
			}
			var read strings.Builder
			for i, p := range parts {
				shown := s.Text(t, p)
				read.WriteString(shown + "\n")
				if s.Limit > 0 && len(shown) > s.Limit || strings.TrimSpace(shown) == "" || !utf8.ValidString(shown) {
					t.Errorf("part %d is empty, not UTF-8 or over %d bytes: %d bytes", i, s.Limit, len(shown))
				}
			}
			if s.MaxParts > 0 && len(parts) > s.MaxParts {
				t.Errorf("%d parts, at most %d", len(parts), s.MaxParts)
			}
			if said, got := visible(text), visible(read.String()); s.MaxParts > 0 && len(parts) == s.MaxParts && said != got {
				s.cut(t, said, parts)
			} else if diff := cmp.Diff(said, got); diff != "" {
				t.Errorf("what the person reads (-said +read):\n%s", diff)
			}
			again, _ := c.Parts(s.To, text, 7)
			if diff := cmp.Diff(parts, again); diff != "" {
				t.Errorf("the same turn made other bytes:\n%s", diff)
			}
			if s.Swallows {
				s.differ(t, c, text, parts)
			}
		})
	}
}

// cut checks a reply of which the platform takes the beginning: nothing is missing before the last part, and that one begins where they end.
func (s Suite) cut(t *testing.T, said string, parts []chat.Part) {
	t.Helper()
	var read strings.Builder
	for _, p := range parts[:len(parts)-1] {
		read.WriteString(s.Text(t, p) + "\n")
	}
	rest, ok := strings.CutPrefix(said, visible(read.String()))
	last := []rune(visible(s.Text(t, parts[len(parts)-1])))
	if !ok || len(last) < 20 || !strings.HasPrefix(rest, string(last[:20])) {
		t.Errorf("the person does not read the beginning of what was said, but %d characters and %.60q", read.Len(), string(last))
	}
}

// differ checks that no part equals another of this turn or of the turns around it.
func (s Suite) differ(t *testing.T, c channel.Channel, text string, parts []chat.Part) {
	seen := make(map[string]bool)
	all := parts
	for unique := int64(8); unique < 40; unique++ {
		next, _ := c.Parts(s.To, text, unique)
		all = append(all, next...)
	}
	for _, p := range all {
		if seen[string(p)] {
			t.Fatalf("the platform would swallow a part: %.200q", p)
		}
		seen[string(p)] = true
	}
}

// visible leaves of a text what must reach the person: no white space, no control characters, no fence lines, which a split adds.
func visible(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.ToValidUTF8(text, "\uFFFD")) {
		if !strings.HasPrefix(strings.TrimSpace(line), "```") {
			b.WriteString(line)
		}
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return -1
		}
		return r
	}, b.String())
}
