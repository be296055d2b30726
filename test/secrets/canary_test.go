package secrets

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"testing"
)

// canaries are secrets by what they are for.
type canaries map[string]string

// hatch makes a secret: letters and digits, n of them, none of it guessable.
func (c canaries) hatch(name string, n int) string {
	s := (rand.Text() + rand.Text())[:n]
	c[name] = s
	return s
}

// add takes a secret that something else made.
func (c canaries) add(name, secret string) { c[name] = secret }

// forms are the ways in which a secret may come out: whole, in an encoding, or a part that is long enough to be worth something.
func forms(secret string) []string {
	// A part may be shown to tell keys apart, as "sk-…ab12"; ten characters in a row are no such part.
	out := []string{secret[:10], secret[len(secret)/2-5 : len(secret)/2+5], secret[len(secret)-10:]}
	return append(out, base64.StdEncoding.EncodeToString([]byte(secret))[:12], base64.RawURLEncoding.EncodeToString([]byte(secret))[:12],
		hex.EncodeToString([]byte(secret))[:20], url.QueryEscape(secret))
}

// found lists the secrets that occur in a text, each with its surroundings.
func (c canaries) found(text string) []string {
	var out []string
	for name, secret := range c {
		for _, f := range forms(secret) {
			if i := strings.Index(text, f); i >= 0 {
				out = append(out, fmt.Sprintf("%s in …%q…", name, text[max(0, i-80):min(len(text), i+60)]))
				break
			}
		}
	}
	sort.Strings(out)
	return out
}

// The search itself must find what there is.
func TestFound(t *testing.T) {
	c := canaries{}
	key := c.hatch("key", 40)
	for name, text := range map[string]string{
		"whole": "Incorrect API key provided: " + key, "its begin": "key " + key[:12] + "***", "its end": "***" + key[28:],
		"base64": base64.StdEncoding.EncodeToString([]byte(key)), "hex": hex.EncodeToString([]byte(key)), "in a URL": "?access_token=" + url.QueryEscape(key),
	} {
		if got := c.found(text); len(got) != 1 {
			t.Errorf("%s: found %q", name, got)
		}
	}
	if got := c.found("a text with " + key[:4] + "… in it"); len(got) != 0 {
		t.Errorf("found %q", got)
	}
}
