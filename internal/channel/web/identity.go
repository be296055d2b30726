package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	cookieName = "parley-web"
	cookieFor  = 30 * 24 * time.Hour
	// renewAfter keeps a browser that is used signed in, without a cookie in every answer.
	renewAfter = 24 * time.Hour
)

// visitor is a browser whose cookie was proved.
type visitor struct {
	id    string // random, and the id of its conversation
	door  door   // whose key signed the cookie
	renew bool
}

// visitor reads who asks. Where the page may be framed a browser can have two cookies, one of the page alone and one of the page within another
// site's: the first that is proved counts.
func (c *Channel) visitor(r *http.Request) (visitor, bool) {
	for _, ck := range r.CookiesNamed(cookieName) {
		if v, ok := c.prove(ck.Value); ok {
			return v, true
		}
	}
	return visitor{}, false
}

// prove reads a cookie, "<id>.<issued, unix seconds>.<mac>".
func (c *Channel) prove(value string) (visitor, bool) {
	id, rest, _ := strings.Cut(value, ".")
	issued, mac, ok := strings.Cut(rest, ".")
	if !ok || !visitorID.MatchString(id) {
		return visitor{}, false
	}
	got, err := base64.RawURLEncoding.DecodeString(mac)
	if err != nil {
		return visitor{}, false
	}
	seconds, err := strconv.ParseInt(issued, 10, 64)
	if err != nil {
		return visitor{}, false
	}
	age := c.now().Sub(time.Unix(seconds, 0))
	if age > cookieFor || age < -time.Hour {
		return visitor{}, false
	}
	for _, d := range c.doors {
		if hmac.Equal(got, c.sign(d, id, issued)) {
			return visitor{id: id, door: d, renew: age > renewAfter}, true
		}
	}
	return visitor{}, false
}

var visitorID = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)

// sign binds a browser's id to this channel: a cookie of one tenant means nothing to another, whatever tokens they share.
func (c *Channel) sign(d door, id, issued string) []byte {
	mac := hmac.New(sha256.New, d.key)
	mac.Write([]byte(c.base + "\x00" + id + "\x00" + issued))
	return mac.Sum(nil)
}

// newVisitor is a browser that was not seen before.
func newVisitor(d door) visitor {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return visitor{id: base64.RawURLEncoding.EncodeToString(b[:]), door: d}
}

// give sets the visitor's cookie, dated now.
func (c *Channel) give(w http.ResponseWriter, r *http.Request, v visitor) {
	issued := strconv.FormatInt(c.now().Unix(), 10)
	mac := base64.RawURLEncoding.EncodeToString(c.sign(v.door, v.id, issued))
	http.SetCookie(w, c.cookie(r, v.id+"."+issued+"."+mac, int(cookieFor/time.Second), c.framed))
}

// forget takes the cookie back, and one that was given while the tenant allowed no other site to frame the page.
func (c *Channel) forget(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, c.cookie(r, "", -1, false))
	if c.framed {
		http.SetCookie(w, c.cookie(r, "", -1, true))
	}
}

// cookie makes the cookie. Within another site's page browsers send back only one that says SameSite=None, and keep it only if it is Secure and
// Partitioned: a jar of its own for each site around. What other sites' pages would do with it is refused by [sameOrigin].
func (c *Channel) cookie(r *http.Request, value string, maxAge int, framed bool) *http.Cookie {
	// Behind a proxy that ends TLS only its header tells; a forged one can merely make the forger's own cookie stricter. To browsers, loopback
	// is as good as TLS.
	secure := r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") || framed && isLoopback(r.Host)
	ck := &http.Cookie{Name: cookieName, Value: value, Path: c.base, MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure}
	if framed && secure {
		ck.SameSite, ck.Partitioned = http.SameSiteNoneMode, true
	}
	return ck
}
