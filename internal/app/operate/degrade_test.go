package operate_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/app"
	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/test/realdeps"
)

const switchRoutes = `providers:
  openai:  {dialect: simulated}
  chatglm: {dialect: simulated}
models: {chat: [openai/gpt-4o, chatglm/glm-4.6]}
`

const switchDocument = `# what an operator wrote
switches:
  - id: night            # every evening
    active: false
    to: chatglm/glm-4.6
`

// switchboard is a running server over file documents, and a client.yaml that finds it.
type switchboard struct {
	t    *testing.T
	dir  string
	path string
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := realdeps.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func newSwitchboard(t *testing.T) *switchboard { return newSwitchboardWith(t, switchDocument) }

func newSwitchboardWith(t *testing.T, switches string) *switchboard {
	t.Helper()
	b := &switchboard{t: t, dir: t.TempDir()}
	b.write("parley-routes.yaml", switchRoutes)
	b.write("parley-degradation.yaml", switches)
	b.write("tenant.acme.yaml", "name: acme\n")
	b.write("tenant.strict.yaml", "name: strict\nproviders: [openai]\n")
	rpc, ops := freeAddr(t), freeAddr(t)
	live := "live: {source: file, dir: " + b.dir + "}\nregistry: {mode: direct, direct: [" + rpc + "]}\n"
	server := b.write("server.yaml", "rpc: {listen: "+rpc+"}\nhttp: {ops: "+ops+"}\n"+live)
	b.path = b.write("client.yaml", live+"redis: {addrs: [127.0.0.1:1]}\n")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- app.RunServer(ctx, wire.Env{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}, server) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for range 1200 {
		res, err := http.Get("http://" + ops + "/readyz")
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return b
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server does not become ready")
	return nil
}

func (b *switchboard) write(name, content string) string {
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func (b *switchboard) read() string { return b.file("parley-degradation.yaml") }

func (b *switchboard) file(name string) string {
	content, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(content)
}

func (b *switchboard) run(f func(env wire.Env) error) (string, error) {
	var out bytes.Buffer
	err := f(wire.Env{Stdout: &out, Stderr: &out})
	return out.String(), err
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

func TestDegradeAndRestore(t *testing.T) {
	b := newSwitchboard(t)
	ctx := t.Context()
	o := operate.DegradeOptions{To: "chatglm", Tenants: []string{"acme"}, Reason: "OpenAI outage", For: 2 * time.Hour}

	drill := o
	drill.Drill = true
	out, err := b.run(func(env wire.Env) error { return operate.Degrade(ctx, env, b.path, drill) })
	if err != nil || b.read() != switchDocument {
		t.Fatalf("a drill changed the document or failed: %v", err)
	}
	contains(t, out, "+ ", "drill: nothing was changed")

	out, err = b.run(func(env wire.Env) error { return operate.Degrade(ctx, env, b.path, o) })
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	contains(t, out, "OpenAI outage", "in force on 1 of 1 servers", `"msg":"audit"`, `"action":"degrade"`)
	contains(t, b.read(), "# what an operator wrote", "# every evening", "id: acme", "active: true", "to: chatglm", "tenants: [acme]", "until: ")

	out, err = b.run(func(env wire.Env) error {
		return operate.Restore(ctx, env, b.path, operate.RestoreOptions{IDs: []string{"nobody"}})
	})
	if err == nil || !strings.Contains(err.Error(), `no switch "nobody"`) {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = b.run(func(env wire.Env) error { return operate.Restore(ctx, env, b.path, operate.RestoreOptions{}) })
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	contains(t, out, "in force on 1 of 1 servers", `"action":"restore"`)
	if strings.Contains(b.read(), "active: true") {
		t.Errorf("still active:\n%s", b.read())
	}
	out, err = b.run(func(env wire.Env) error { return operate.Restore(ctx, env, b.path, operate.RestoreOptions{}) })
	if err != nil {
		t.Fatal(err)
	}
	contains(t, out, "nothing to restore")
}

func TestRestoreAlwaysWorks(t *testing.T) {
	for name, doc := range map[string]string{
		"True":                          "switches: [{id: all, active: True, to: chatglm}]",
		"beside one that leads nowhere": "switches: [{id: all, active: true, to: chatglm}, {id: old, active: true, to: gone, until: 2020-01-01T00:00:00Z}]",
	} {
		t.Run(name, func(t *testing.T) {
			b := newSwitchboardWith(t, doc)
			out, err := b.run(func(env wire.Env) error {
				return operate.Restore(t.Context(), env, b.path, operate.RestoreOptions{IDs: []string{"all"}})
			})
			if err != nil || !strings.Contains(b.read(), "active: false") {
				t.Errorf("%v\n%s\n%s", err, out, b.read())
			}
			contains(t, out, "in force on 1 of 1 servers")
		})
	}
	t.Run("says that a faulty document is", func(t *testing.T) {
		b := newSwitchboardWith(t, "switches: [{id: all, active: yes, to: chatglm}]")
		_, err := b.run(func(env wire.Env) error { return operate.Restore(t.Context(), env, b.path, operate.RestoreOptions{}) })
		if err == nil || !strings.Contains(err.Error(), "mend it by hand") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("where the document was emptied", func(t *testing.T) {
		b := newSwitchboardWith(t, "switches: [{id: all, active: true, to: chatglm}]\n")
		b.write("parley-degradation.yaml", "{}\n")
		out, err := b.run(func(env wire.Env) error { return operate.Restore(t.Context(), env, b.path, operate.RestoreOptions{}) })
		if err != nil || b.read() != "switches: []\n" {
			t.Errorf("%v\n%s\n%s", err, out, b.read())
		}
		contains(t, out, "was emptied, which servers refuse", "keeps its last form", "in force on 1 of 1 servers")
	})
	t.Run("and degrade on a page of comments", func(t *testing.T) {
		b := newSwitchboardWith(t, "# nothing here yet\n")
		out, err := b.run(func(env wire.Env) error {
			return operate.Degrade(t.Context(), env, b.path, operate.DegradeOptions{To: "chatglm", Tenants: []string{"acme"}})
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		contains(t, b.read(), "# nothing here yet", "id: acme")
	})
}

func TestDegradeRefuses(t *testing.T) {
	b := newSwitchboard(t)
	for name, c := range map[string]struct {
		o    operate.DegradeOptions
		want string
	}{
		"a target nobody has":        {operate.DegradeOptions{To: "gemini", Tenants: []string{"acme"}}, "gemini"},
		"a tenant that forbids it":   {operate.DegradeOptions{To: "chatglm", Tenants: []string{"strict"}}, "strict"},
		"all, where one forbids it":  {operate.DegradeOptions{To: "chatglm"}, "strict"},
		"a tenant that is not there": {operate.DegradeOptions{To: "chatglm", Tenants: []string{"nobody"}}, `no tenant "nobody"`},
		"an id that is none":         {operate.DegradeOptions{To: "chatglm", Tenants: []string{"acme"}, ID: "a b"}, "id"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := b.run(func(env wire.Env) error { return operate.Degrade(t.Context(), env, b.path, c.o) })
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q\n%s", err, c.want, out)
			}
			if b.read() != switchDocument {
				t.Errorf("the document was changed:\n%s", b.read())
			}
		})
	}
	t.Run("but obeys --force", func(t *testing.T) {
		out, err := b.run(func(env wire.Env) error {
			return operate.Degrade(t.Context(), env, b.path, operate.DegradeOptions{To: "chatglm", Force: true})
		})
		if err != nil {
			t.Fatal(fmt.Errorf("%w\n%s", err, out))
		}
		contains(t, out, "strict", "in force on 1 of 1 servers")
	})
}

// Without the registry a switch cannot be judged, but it can be switched off.
func TestWithoutTheRegistry(t *testing.T) {
	b := &switchboard{t: t, dir: t.TempDir()}
	b.write("parley-routes.yaml", switchRoutes)
	b.write("parley-degradation.yaml", "switches: [{id: all, active: true, to: chatglm}]\n")
	b.write("tenant.acme.yaml", "name: acme\n")
	b.path = b.write("server.yaml", "live: {source: file, dir: "+b.dir+"}\nregistry: {mode: nacos, nacos: {addrs: ['127.0.0.1:1']}}\n")
	out, err := b.run(func(env wire.Env) error {
		return operate.Degrade(t.Context(), env, b.path, operate.DegradeOptions{To: "openai/gpt-5"})
	})
	if err == nil || !strings.Contains(err.Error(), "the servers cannot be asked") || strings.Contains(b.read(), "gpt-5") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = b.run(func(env wire.Env) error {
		return operate.Restore(t.Context(), env, b.path, operate.RestoreOptions{Reason: "over"})
	})
	if err == nil || !strings.Contains(err.Error(), "published as revision") || !strings.Contains(b.read(), "active: false") {
		t.Errorf("%v\n%s\n%s", err, out, b.read())
	}
}

// Servers are started exactly when something is wrong: a faulty switch document must not keep one from serving.
func TestAServerStartsWithAFaultySwitchDocument(t *testing.T) {
	for name, doc := range map[string]string{
		"leads nowhere": "switches: [{id: all, active: true, to: gemini}]",
		"is no YAML":    "switches: [",
		"has a typo":    "switches: [{id: all, activ: true, to: chatglm}]",
	} {
		t.Run(name, func(t *testing.T) {
			b := newSwitchboardWith(t, doc)
			out, err := b.run(func(env wire.Env) error { return operate.Status(t.Context(), env, b.path, false) })
			if err == nil { // there is no Redis
				t.Error("status did not miss Redis")
			}
			contains(t, out, "parley-degradation@-(newest refused)", "up", "it has had no good form since it started", "is faulty and comes into force nowhere")
			b.write("parley-degradation.yaml", "switches: [{id: all, active: true, to: chatglm}]")
			for range 600 {
				out, _ = b.run(func(env wire.Env) error { return operate.Status(t.Context(), env, b.path, false) })
				if !strings.Contains(out, "newest refused") {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
			t.Errorf("the mended document is not in force:\n%s", out)
		})
	}
}
