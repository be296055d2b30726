package dev

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestIndex(t *testing.T) {
	tests := []struct {
		name string
		opt  Options
		has  []string
		not  []string
	}{
		{
			"simulated", Options{ChatURL: "/chat/demo/web", Model: "simulated", Simulated: true},
			[]string{`src="/chat/demo/web"`, "model-simulated", "张三", `data-member="lisi"`}, []string{"model-real"},
		},
		{
			"real, with one's own people", Options{ChatURL: "/chat/acme/chat", Model: "gpt-4o-mini", Members: []Member{{"w1", "<王五>"}}},
			[]string{`src="/chat/acme/chat"`, "model-real", "gpt-4o-mini", "&lt;王五&gt;"}, []string{"model-simulated", "张三", "<王五>"},
		},
		{
			"one's own documents", Options{Model: "the live documents of client.yaml", Entries: func() []Entry {
				return []Entry{{"acme", "web", "web", "/chat/acme/web", true}, {"acme", "<bot>", "wecom", "/callback/acme/bot", false}}
			}},
			[]string{`href="/chat/acme/web"`, "<code>/callback/acme/bot</code>", "&lt;bot&gt;"}, []string{"<iframe", `id="say"`, `data-pane="phone"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := New(tt.opt)
			w := get(t, p, "GET", "http://localhost/", "")
			html := w.Body.String()
			if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
				t.Fatalf("= %d %s", w.Code, w.Header().Get("Content-Type"))
			}
			for _, want := range tt.has {
				if !strings.Contains(html, want) {
					t.Errorf("lacks %q", want)
				}
			}
			for _, bad := range tt.not {
				if strings.Contains(html, bad) {
					t.Errorf("holds %q", bad)
				}
			}
			if regexp.MustCompile(`<script(?:\s[^>]*)?>[^<]|\s(on\w+|style)=`).MatchString(html) {
				t.Error("the page holds inline script or style, which its own policy refuses")
			}
			for _, ref := range regexp.MustCompile(`(?:src|href)="(/dev/[^"]+)"`).FindAllStringSubmatch(html, -1) {
				if w := get(t, p, "GET", "http://localhost"+ref[1], ""); w.Code != 200 {
					t.Errorf("%s = %d", ref[1], w.Code)
				}
			}
		})
	}
}

func TestAssetsLoadNothingFromElsewhere(t *testing.T) {
	for _, name := range []string{"api.js", "main.js", "make.js", "phone.js", "switch.js", "words.js", "style.css", "index.html"} {
		body, err := files.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`https?://|innerHTML|insertAdjacentHTML|@import`).Find(body); m != nil {
			t.Errorf("%s holds %q", name, m)
		}
	}
}

// Both languages say the same things, each once, and all that the page asks for.
func TestWords(t *testing.T) {
	read := func(name string) string {
		content, err := files.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	zh, en, _ := strings.Cut(read("words.js"), "const en =")
	known := map[string]int{}
	for i, text := range []string{zh, en} {
		for _, m := range regexp.MustCompile(`"([a-z_-]+)":`).FindAllStringSubmatch(text, -1) {
			if known[m[1]] != i {
				t.Errorf("%q stands twice, or in one language only", m[1])
			}
			known[m[1]]++
		}
	}
	for word, n := range known {
		if n != 2 {
			t.Errorf("%q stands in one language only", word)
		}
	}
	for _, kind := range []string{"wecom", "wecombot", "wecomkf", "dingtalk", "feishu"} { // asked for by the devices
		if known["kind-"+kind] == 0 || known["company-"+kind] == 0 {
			t.Errorf("a phone of kind %s has no name", kind)
		}
	}
	asked := regexp.MustCompile(`word\("([a-z_-]+)"\)|data-word(?:-[a-z]+)?="([a-z_-]+)"|data-word="\{\{if [^}]*\}\}([a-z_-]+)\{\{else\}\}[a-z_-]+\{\{end\}\}"`)
	for _, name := range []string{"api.js", "main.js", "make.js", "phone.js", "switch.js", "index.html"} {
		for _, m := range asked.FindAllStringSubmatch(read(name), -1) {
			if known[m[1]+m[2]+m[3]] == 0 {
				t.Errorf("%s asks for %q, which is no word", name, m[1]+m[2]+m[3])
			}
		}
	}
}

func TestWhoMayAsk(t *testing.T) {
	p := New(Options{ChatURL: "/chat/demo/web"})
	tests := []struct {
		name, method, target, header, value string
		want                                int
	}{
		{"by address", "GET", "http://127.0.0.1:8080/", "", "", 200},
		{"by IPv6 address", "GET", "http://[::1]:8080/", "", "", 200},
		{"by a name that somebody pointed here", "GET", "http://evil.example/", "", "", 403},
		{"another site's page posts", "POST", "http://localhost/dev/phones/app/messages", "Sec-Fetch-Site", "cross-site", 403},
		{"another origin posts", "POST", "http://localhost/dev/phones/app/messages", "Origin", "https://evil.example", 403},
		{"a page that is none", "GET", "http://localhost/etc/passwd", "", "", 404},
		{"a file that is none", "GET", "http://localhost/dev/assets/page.go", "", "", 404},
		{"a wrong method", "GET", "http://localhost/dev/phones/app/messages", "", "", 405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := get(t, p, tt.method, tt.target, "", tt.header, tt.value)
			if w.Code != tt.want {
				t.Errorf("status = %d, want %d: %s", w.Code, tt.want, w.Body)
			}
			csp := w.Header().Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-src 'self'", "frame-ancestors 'none'"} {
				if !strings.Contains(csp, want) {
					t.Errorf("policy %q lacks %q", csp, want)
				}
			}
		})
	}
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
