// Package dev is the page of `parley dev`: the web chat beside a phone of each platform, beside both the way that each message took, and above them
// the operator's switch. What a phone sends is sealed or signed by the simulated platform and posted to the client's own callback address; what it
// shows came back through the platform's own calls. Nothing here knows Parley from inside.
package dev

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

//go:embed assets
var files embed.FS

var index = template.Must(template.ParseFS(files, "assets/index.html"))

// Member is a person who can hold the phone.
type Member struct {
	ID   string // as WeCom names them (FromUserName, touser)
	Name string // as the page does
}

// Options say what the page shows.
type Options struct {
	ChatURL string // path of the web chat; its channel must allow `embed: self`. Empty: no chat, no phone, but Entries
	Entries func() []Entry
	// Model is what answers, in words ("gpt-4o-mini"); Simulated says that nothing real does, and makes the page tell how to change that.
	Model     string
	Simulated bool
	Members   []Member // 张三 and 李四, if empty
	API       *API     // nil: none
}

// Entry is a channel of one's own tenants: a page to open, or an address that a platform posts to.
type Entry struct {
	Tenant, Channel, Kind string
	Path                  string
	Page                  bool
}

// API is a channel for programs, below /v1/ of the page's own address.
type API struct{ Key, Model string }

// Page serves the dev page at /, and what it needs below /dev/. Safe for concurrent use. It answers only to names of this machine.
type Page struct {
	opt      Options
	mux      *http.ServeMux
	log      *journal
	answers  answers
	devices  []Device
	operator Operator
	says     chan struct{} // bounds deliveries at once
	done     chan struct{}
	once     sync.Once
}

// New makes the page without phones and a switch; see [Page.Connect] and [Page.Operate].
func New(o Options) *Page {
	if len(o.Members) == 0 {
		o.Members = []Member{{"zhangsan", "张三"}, {"lisi", "李四"}}
	}
	p := &Page{opt: o, mux: http.NewServeMux(), log: newJournal(), says: make(chan struct{}, 16), done: make(chan struct{})}
	p.mux.HandleFunc("GET /{$}", p.serveIndex)
	p.mux.HandleFunc("POST /dev/phones/{phone}/messages", p.serveSay)
	p.mux.HandleFunc("GET /dev/phones/events", p.serveEvents)
	p.mux.HandleFunc("GET /dev/operator", p.serveStanding)
	p.mux.HandleFunc("POST /dev/operator/degrade", p.serveDegrade)
	p.mux.HandleFunc("POST /dev/operator/restore", p.serveRestore)
	p.mux.HandleFunc("POST /dev/operator/break", p.serveBreak)
	if assets, err := fs.Sub(files, "assets"); err == nil { // the folder is compiled in
		p.mux.Handle("GET /dev/assets/", http.StripPrefix("/dev/assets/", http.FileServerFS(assets)))
	}
	return p
}

// Close ends the open event streams. It may be called more than once.
func (p *Page) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; "+
		"base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if !thisMachine(r.Host) {
		fail(w, http.StatusForbidden, "forbidden", "the dev page answers only to an IP address or localhost, not to "+r.Host)
		return
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		fail(w, http.StatusForbidden, "forbidden", "requests from another site's page are refused")
		return
	}
	p.mux.ServeHTTP(w, r)
}

// thisMachine is false for a name: another site could point one of its own here and would then be the same origin.
func thisMachine(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}

func (p *Page) serveIndex(w http.ResponseWriter, _ *http.Request) {
	var out bytes.Buffer
	shown := struct {
		Options
		Entries []Entry
		Devices []Device
	}{Options: p.opt, Devices: p.devices}
	if p.opt.ChatURL == "" && p.opt.Entries != nil {
		shown.Entries = p.opt.Entries()
	}
	if err := index.Execute(&out, shown); err != nil {
		fail(w, http.StatusInternalServerError, "internal", "the page could not be made")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(out.Bytes())
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": message}})
}
