package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"parley/internal/chat"
)

//go:embed assets
var files embed.FS

var page = template.Must(template.ParseFS(files, "assets/index.html"))

// asset is one file of the page with the tag by which browsers ask whether it changed.
type asset struct {
	body []byte
	etag string
}

func loadAssets() map[string]asset {
	out := map[string]asset{}
	entries, err := fs.ReadDir(files, "assets")
	if err != nil {
		return out // cannot happen: the folder is compiled in
	}
	for _, e := range entries {
		body, err := files.ReadFile("assets/" + e.Name())
		if err != nil || path.Ext(e.Name()) == ".html" {
			continue
		}
		sum := sha256.Sum256(body)
		out[e.Name()] = asset{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
	}
	return out
}

// ServeHTTP implements channel.Page.
func (c *Channel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.guard(w.Header())
	rest, below := strings.CutPrefix(r.URL.Path, c.base)
	if c.open && !namesThisMachine(r.Host) {
		fail(w, chat.Forbidden, "an open chat answers only to an IP address or localhost, not to "+r.Host)
		return
	}
	if !below {
		fail(w, chat.NotFound, "no such page")
		return
	}
	switch rest {
	case "", "/":
		method(w, r, http.MethodGet, c.servePage)
	case "/session":
		method(w, r, http.MethodGet, c.serveSession)
	case "/events":
		method(w, r, http.MethodGet, c.serveEvents)
	case "/messages":
		method(w, r, http.MethodPost, c.serveMessage)
	case "/login":
		method(w, r, http.MethodPost, c.serveLogin)
	case "/logout":
		method(w, r, http.MethodPost, c.serveLogout)
	default:
		name, ok := strings.CutPrefix(rest, "/assets/")
		a, known := c.assets[name]
		if !ok || !known {
			fail(w, chat.NotFound, "no such page")
			return
		}
		w.Header().Set("ETag", a.etag)
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(a.body))
	}
}

// guard sets what every answer says to browsers: nothing from elsewhere, no inline script, no frame but the tenant's own.
func (c *Channel) guard(h http.Header) {
	frame := "'none'"
	if len(c.embed) > 0 {
		frame = strings.Join(c.embed, " ")
	}
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"manifest-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors "+frame)
	if len(c.embed) == 0 {
		h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	h.Set("Cache-Control", "no-store")
}

func method(w http.ResponseWriter, r *http.Request, want string, h http.HandlerFunc) {
	if r.Method == want || (want == http.MethodGet && r.Method == http.MethodHead) {
		h(w, r)
		return
	}
	w.Header().Set("Allow", want)
	failStatus(w, http.StatusMethodNotAllowed, chat.Invalid, "use "+want)
}

func (c *Channel) servePage(w http.ResponseWriter, r *http.Request) {
	v, known := c.admit(w, r)
	if known && v.renew {
		c.give(w, r, v)
	}
	var out bytes.Buffer
	err := page.Execute(&out, struct {
		look
		Base, Access string
		SignedIn     bool
	}{c.look, c.base, c.mode(), known})
	if err != nil {
		fail(w, chat.Internal, "the page could not be made")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(out.Bytes())
}

// serveSession lets a page whose stream was refused find out why.
func (c *Channel) serveSession(w http.ResponseWriter, r *http.Request) {
	_, known := c.admit(w, r)
	reply(w, http.StatusOK, map[string]any{"access": c.mode(), "signed_in": known})
}

func (c *Channel) mode() string {
	if c.open {
		return "open"
	}
	return "token"
}

// admit tells who asks. In open mode whoever comes without a cookie gets one.
func (c *Channel) admit(w http.ResponseWriter, r *http.Request) (visitor, bool) {
	v, ok := c.visitor(r)
	if !ok && c.open {
		v = newVisitor(c.doors[0])
		c.give(w, r, v)
		return v, true
	}
	return v, ok
}

// reply writes v as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// fail answers an error: a code that the page has words for, and a sentence for who reads the wire.
func fail(w http.ResponseWriter, k chat.Kind, message string) {
	failStatus(w, k.HTTPStatus(), k, message)
}

func failStatus(w http.ResponseWriter, status int, k chat.Kind, message string) {
	reply(w, status, map[string]any{"error": map[string]string{"code": k.String(), "message": message}})
}
