package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"parley/internal/channel"
	"parley/internal/chat"
)

// door is one way in: what proves the right to enter, and what the cookies given for it are signed with.
type door struct {
	digest [sha256.Size]byte // of the token, so that comparing takes the same time for every length
	key    []byte
}

func newDoor(token string) door {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("parley web cookie"))
	return door{digest: sha256.Sum256([]byte(token)), key: mac.Sum(nil)}
}

// access reads who may come in. In open mode the signature keeps nobody out, and cannot: what protects a conversation there is that
// its id cannot be guessed. The key is a constant so that a restart, or another replica, still knows the browser.
func (c *Channel) access(s channel.Settings, d channel.Deps) {
	switch mode := s.String("access"); mode {
	case "open":
		if !d.Loopback {
			s.Faultf("access", "open lets anybody chat, and http.listen is not a loopback address: use access: token with tokens, or listen on 127.0.0.1")
		}
		c.open, c.doors = true, []door{newDoor("")}
	case "token":
		for _, t := range s.Secrets("tokens") {
			channel.JudgeKey(s, d, "tokens", t)
			c.addToken(t)
		}
	case "": // missing: already a fault
	default:
		s.Faultf("access", "%q is not known: use open (loopback only) or token", mode)
	}
}

func (c *Channel) addToken(t chat.Secret) {
	if !t.IsZero() {
		c.doors = append(c.doors, newDoor(t.Reveal()))
	}
}

// enter finds the door that token opens. It looks at all of them, so that the time says nothing.
func (c *Channel) enter(token string) (door, bool) {
	digest := sha256.Sum256([]byte(token))
	found := -1
	for i := range c.doors {
		if subtle.ConstantTimeCompare(digest[:], c.doors[i].digest[:]) == 1 {
			found = i
		}
	}
	if found < 0 || c.open {
		return door{}, false
	}
	return c.doors[found], true
}

// embedders reads who may frame the page.
func embedders(s channel.Settings) []string {
	var out []string
	for _, word := range strings.Fields(s.Optional("embed", "")) {
		if word == "self" {
			out = append(out, "'self'")
			continue
		}
		u, err := url.Parse(word)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Scheme+"://"+u.Host != word || strings.ContainsAny(word, ";,'*") {
			s.Faultf("embed", "%q is not an origin: write it as https://intranet.example.com, without a path, or self", word)
			continue
		}
		out = append(out, word)
	}
	return out
}

// namesThisMachine reports whether a Host header can only be meant for an address, not for a name that somebody pointed here: in open
// mode another site's name that resolves to loopback would otherwise be "the same origin".
func namesThisMachine(host string) bool {
	if isLoopback(host) {
		return true
	}
	_, err := netip.ParseAddr(bare(host))
	return err == nil
}

// isLoopback reports whether a Host header names loopback, as browsers understand it.
func isLoopback(host string) bool {
	host = bare(host)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
}

// bare is a Host header's host.
func bare(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
