package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPageAndAssets(t *testing.T) {
	c := replica(t, newStore(), openAccess())
	srv := serve(t, c)
	b := newBrowser(t)
	status, html, h := b.do("GET", srv.URL+"/chat/acme/web", "")
	if status != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
		t.Fatalf("page = %d %s", status, h.Get("Content-Type"))
	}
	if regexp.MustCompile(`<script(?:\s[^>]*)?>[^<]`).MatchString(html) || regexp.MustCompile(`\s(on\w+|style)=`).MatchString(html) {
		t.Error("the page holds inline script or style, which its own policy refuses")
	}
	refs := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(html, -1)
	if len(refs) < 3 {
		t.Fatalf("the page names only %d files", len(refs))
	}
	for _, ref := range refs {
		if !strings.HasPrefix(ref[1], "/chat/acme/web/assets/") {
			t.Errorf("the page loads %s, which is not its own", ref[1])
			continue
		}
		status, _, h := b.do("GET", srv.URL+ref[1], "")
		if status != http.StatusOK || h.Get("ETag") == "" {
			t.Errorf("%s = %d, ETag %q", ref[1], status, h.Get("ETag"))
		}
		if status, _, _ := b.do("GET", srv.URL+ref[1], "", "If-None-Match", h.Get("ETag")); status != http.StatusNotModified {
			t.Errorf("%s again = %d, want 304", ref[1], status)
		}
	}
}

// The page must work where nothing but its own host can be reached, and no model's text may become HTML.
func TestAssetsLoadNothingFromElsewhere(t *testing.T) {
	imports := regexp.MustCompile(`(?m)^import .* from "([^"]+)"`)
	for name, a := range loadAssets() {
		t.Run(name, func(t *testing.T) {
			text := string(a.body)
			for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "@import"} {
				if strings.Contains(text, bad) {
					t.Errorf("holds %q", bad)
				}
			}
			if m := regexp.MustCompile(`["'(]https?://[^"')]*`).FindString(text); m != "" && !strings.Contains(m, "www.w3.org") {
				t.Errorf("names an outside address: %s", m)
			}
			for _, m := range imports.FindAllStringSubmatch(text, -1) {
				if _, ok := loadAssets()[strings.TrimPrefix(m[1], "./")]; !ok {
					t.Errorf("imports %s, which does not exist", m[1])
				}
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	framed := openAccess()
	framed.fields["embed"] = "self https://intranet.example.com"
	tests := []struct {
		name     string
		settings *settings
		frame    string // what the policy says of frames
		options  string // X-Frame-Options
	}{
		{"by default nobody frames it", openAccess(), "frame-ancestors 'none'", "DENY"},
		{"where the tenant allows", framed, "frame-ancestors 'self' https://intranet.example.com", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, replica(t, newStore(), tt.settings))
			for _, path := range []string{"", "/session", "/assets/main.js", "/nothing"} {
				_, _, h := newBrowser(t).do("GET", srv.URL+"/chat/acme/web"+path, "")
				csp := h.Get("Content-Security-Policy")
				for _, want := range []string{"default-src 'none'", "script-src 'self'", "connect-src 'self'", "base-uri 'none'", tt.frame} {
					if !strings.Contains(csp, want) {
						t.Errorf("%q: policy %q lacks %q", path, csp, want)
					}
				}
				if strings.Contains(csp, "unsafe") {
					t.Errorf("%q: policy %q allows what is unsafe", path, csp)
				}
				if h.Get("X-Frame-Options") != tt.options || h.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("%q: headers %v", path, h)
				}
			}
		})
	}
}

func TestRouting(t *testing.T) {
	c := replica(t, newStore(), openAccess())
	tests := []struct {
		method, path string
		want         int
	}{
		{"GET", "/chat/acme/web", 200},
		{"HEAD", "/chat/acme/web", 200},
		{"GET", "/chat/acme/web/", 200},
		{"GET", "/chat/acme/web/session", 200},
		{"POST", "/chat/acme/web", 405},
		{"GET", "/chat/acme/web/messages", 405},
		{"GET", "/chat/acme/web/login", 405},
		{"POST", "/chat/acme/web/events", 405},
		{"GET", "/chat/acme/web/assets/", 404},
		{"GET", "/chat/acme/web/assets/index.html", 404},
		{"GET", "/chat/acme/web/assets/../web.go", 404},
		{"GET", "/chat/acme/website", 404},
		{"GET", "/chat/globex/web", 404},
		{"GET", "/", 404},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "http://localhost"+tt.path, nil)
			w := httptest.NewRecorder()
			c.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status = %d, want %d", w.Code, tt.want)
			}
			if w.Code >= 400 {
				code(t, w.Body.String())
			}
		})
	}
}

// An open chat must not be reachable under a name that another site points at this machine.
func TestOpenAnswersOnlyToThisMachine(t *testing.T) {
	tests := []struct {
		host string
		want int
	}{
		{"localhost:8080", 200},
		{"127.0.0.1:8080", 200},
		{"[::1]:8080", 200},
		{"::1", 200},
		{"chat.localhost", 200},
		{"evil.example", 403},
		{"evil.example:8080", 403},
		{"localhost.evil.example", 403},
		{"127.0.0.1.evil.example", 403},
	}
	open, closed := replica(t, newStore(), openAccess()), replica(t, newStore(), tokenAccess("secret-token"))
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			for _, is := range []struct {
				of   *Channel
				want int
			}{{open, tt.want}, {closed, 200}} {
				r := httptest.NewRequest("GET", "/chat/acme/web", nil)
				r.Host = tt.host
				w := httptest.NewRecorder()
				is.of.ServeHTTP(w, r)
				if w.Code != is.want {
					t.Errorf("open=%t: status = %d, want %d", is.of.open, w.Code, is.want)
				}
			}
		})
	}
}

// What the tenant's document says of the title is text, never markup.
func TestTitleIsText(t *testing.T) {
	s := openAccess()
	s.fields["title"] = `</title><script>alert(1)</script>"`
	srv := serve(t, replica(t, newStore(), s))
	_, html, _ := newBrowser(t).do("GET", srv.URL+"/chat/acme/web", "")
	if strings.Contains(html, "<script>alert") || !strings.Contains(html, "&lt;script&gt;alert(1)") {
		t.Errorf("the title was not escaped:\n%s", html[:600])
	}
}
