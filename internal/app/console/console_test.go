package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/config"
)

// canary stands for every secret that a console has or meets: no answer may hold it.
const canary = "canary-7f3a9c41"

// room is a console over a real Redis and a real folder of documents, behind real HTTP.
type room struct {
	t     *testing.T
	dir   string
	redis *miniredis.Miniredis
	page  *Console
	url   string
	log   *lines
	shows bool // an answer may hold the canary: somebody may read it

	mu  sync.Mutex
	now time.Time
}

// lines is what was written to stderr.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}
func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.Buffer.String() }

const routesDocument = `providers:
  openai: {dialect: openai, base_url: https://api.openai.com/v1, key: env:OPENAI_API_KEY}
  chatglm: {dialect: chatglm, base_url: https://open.bigmodel.cn/api/paas/v4, key: env:ZHIPU_API_KEY}
models:
  chat: [openai/gpt-4o, chatglm/glm-4.6]
`

func newRoom(t *testing.T, change func(*Options)) *room {
	t.Helper()
	r := &room{t: t, dir: t.TempDir(), redis: miniredis.RunT(t), log: &lines{}, now: time.Now()}
	r.put("parley-routes", routesDocument)
	r.put("tenant.acme", "name: acme\nchannels:\n  - {name: web, kind: web, access: token, tokens: [env:ACME_WEB_TOKEN]}\n")
	for _, name := range []string{"OPENAI_API_KEY", "ACME_WEB_TOKEN", "REDIS_PASSWORD", "NACOS_PASSWORD"} {
		t.Setenv(name, canary+name)
	}
	cfg := config.DefaultConsole()
	cfg.Redis = config.Redis{Addrs: []string{r.redis.Addr()}}
	cfg.Registry = config.Registry{Mode: config.ModeDirect, Direct: []string{"127.0.0.1:1"}}
	cfg.Live = config.Live{Source: config.SourceFile, Dir: r.dir}
	cfg.Tenants = []string{"acme"}
	desk := operate.OpenDesk(config.Either{Console: cfg})
	t.Cleanup(desk.Close)
	o := Options{
		Desk: desk, Env: wire.Env{Stderr: r.log, Version: "v1"}, Log: slog.New(slog.NewTextHandler(r.log, nil)), Idle: 30 * time.Minute, Most: 12 * time.Hour,
		Users: users(t), Now: r.clock, Look: true,
	}
	if change != nil {
		change(&o)
	}
	var err error
	if r.page, err = New(o); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(r.page)
	t.Cleanup(srv.Close)
	r.url = srv.URL
	return r
}

func (r *room) clock() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now }

func (r *room) pass(d time.Duration) { r.mu.Lock(); defer r.mu.Unlock(); r.now = r.now.Add(d) }

func (r *room) put(name, content string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name+".yaml"), []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *room) read(name string) string {
	content, err := os.ReadFile(filepath.Join(r.dir, name+".yaml"))
	if err != nil {
		return ""
	}
	return string(content)
}

// testHash is made once: it is meant to be slow.
var testHash = sync.OnceValue(func() string { h, _ := Hash(canary + "password"); return h })

func users(t *testing.T) []User {
	t.Helper()
	return []User{{"vera", Viewer, testHash()}, {"olga", Operator, testHash()}, {"ada", Admin, testHash()}}
}

// person is a browser.
type person struct {
	r      *room
	cookie *http.Cookie
	token  string
	header http.Header
}

// answer is what came of a request.
type answer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (r *room) stranger() *person { return &person{r: r, header: http.Header{}} }

// login is somebody who logged in.
func (r *room) login(name string) *person {
	r.t.Helper()
	p := r.stranger()
	a := p.post("/api/login", fmt.Sprintf(`{"name":%q,"password":%q}`, name, canary+"password"))
	if a.status != http.StatusOK {
		r.t.Fatalf("%s cannot log in: %d %s", name, a.status, a.body)
	}
	return p
}

func (p *person) get(path string) answer { return p.do(http.MethodGet, path, "") }

func (p *person) post(path, body string) answer { return p.do(http.MethodPost, path, body) }

func (p *person) do(method, path, body string) answer {
	t := p.r.t
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = p.header.Clone()
	if method != http.MethodGet && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if p.token != "" && req.Header.Get(csrfHeader) == "" {
		req.Header.Set(csrfHeader, p.token)
	}
	if p.cookie != nil {
		req.AddCookie(p.cookie)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, body: string(text)}
	_ = json.Unmarshal(text, &a.json)
	for _, c := range res.Cookies() {
		if c.Name == cookieName {
			p.cookie = c
		}
	}
	if token, ok := a.json["token"].(string); ok {
		p.token = token
	}
	if strings.Contains(a.body, canary) && !p.r.shows || strings.Contains(fmt.Sprint(a.header), canary) {
		t.Errorf("%s %s answers with a secret: %s", method, path, a.body)
	}
	return a
}

func (a answer) code() string {
	e, _ := a.json["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}
