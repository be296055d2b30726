package secret_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"parley/internal/chat"
	"parley/internal/secret"
)

func env(pairs ...string) func(string) (string, bool) {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestScopes(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "redis"), "file-value\n")
	write(t, filepath.Join(dir, "acme", "token"), "file-value\r\n")
	write(t, filepath.Join(dir, "acme", "sub", "token"), "file-value")
	write(t, filepath.Join(dir, "acme", "empty"), "\n")
	write(t, filepath.Join(dir, "acme", "big"), strings.Repeat("x", 65<<10))
	write(t, filepath.Join(dir, "globex", "token"), "file-value")
	write(t, filepath.Join(dir, "_routes", "openai"), "file-value")
	for name, target := range map[string]string{"inside": "sub/token", "outside": "../globex/token", "abs": filepath.Join(dir, "globex", "token")} {
		if err := os.Symlink(target, filepath.Join(dir, "acme", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "acme", "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	store := secret.New(secret.Options{Dir: dir, Env: env(
		"ACME_TOKEN", "env-value", "ACME_EU_TOKEN", "env-value", "GLOBEX_TOKEN", "env-value", "OPENAI_API_KEY", "env-value",
		"REDIS_PASSWORD", "env-value", "EMPTY", "", "ACME_EMPTY", "", "PARLEY_REDIS_PASSWORD", "env-value")})
	if _, err := store.Static().Resolve("env:REDIS_PASSWORD"); err != nil {
		t.Fatal(err)
	}
	store.Tenant("acme-eu")
	acme, routes, static := store.Tenant("acme"), store.Routes(), store.Static()

	const ok = chat.Kind(-1)
	for _, tc := range []struct {
		name  string
		scope secret.Scope
		ref   string
		kind  chat.Kind
	}{
		{"tenant's variable", acme, "env:ACME_TOKEN", ok},
		{"another tenant's variable", acme, "env:GLOBEX_TOKEN", chat.Forbidden},
		{"a variable of a tenant with a longer name", acme, "env:ACME_EU_TOKEN", chat.Forbidden},
		{"that tenant's own", store.Tenant("acme-eu"), "env:ACME_EU_TOKEN", ok},
		{"platform's key", acme, "env:OPENAI_API_KEY", chat.Forbidden},
		{"absent variable", acme, "env:ACME_NONE", chat.NotFound},
		{"empty variable", acme, "env:ACME_EMPTY", chat.NotFound},
		{"prefix without underscore", acme, "env:ACMETOKEN", chat.Forbidden},
		{"lower case", acme, "env:acme_token", chat.Forbidden},
		{"no name", acme, "env:", chat.Invalid},
		{"odd name", acme, "env:ACME_TOKEN=", chat.Invalid},
		{"tenant redis and the process's password", store.Tenant("redis"), "env:REDIS_PASSWORD", chat.Forbidden},
		{"tenant parley and Parley's variables", store.Tenant("parley"), "env:PARLEY_REDIS_PASSWORD", chat.Forbidden},
		{"tenant's file", acme, "file:token", ok},
		{"file in a folder", acme, "file:sub/token", ok},
		{"symlink inside", acme, "file:inside", ok},
		{"symlink outside", acme, "file:outside", chat.Forbidden},
		{"absolute symlink", acme, "file:abs", chat.Forbidden},
		{"dots", acme, "file:../globex/token", chat.Forbidden},
		{"inner dots", acme, "file:sub/../../globex/token", chat.Forbidden},
		{"absolute path", acme, "file:/etc/passwd", chat.Forbidden},
		{"folder", acme, "file:folder", chat.Forbidden},
		{"itself", acme, "file:.", chat.Forbidden},
		{"no file name", acme, "file:", chat.Forbidden},
		{"absent file", acme, "file:none", chat.NotFound},
		{"empty file", acme, "file:empty", chat.NotFound},
		{"large file", acme, "file:big", chat.Forbidden},
		{"tenant without folder", store.Tenant("initech"), "file:token", chat.NotFound},
		{"tenant without a name", store.Tenant("../globex"), "file:token", chat.Forbidden},
		{"tenant with an empty name", store.Tenant(""), "file:acme/token", chat.Forbidden},
		{"literal", acme, "sk-live-1234", chat.Invalid},
		{"other scheme", acme, "http://x", chat.Invalid},
		{"sealed, not base64", acme, "age:%%%", chat.Invalid},
		{"route's key", routes, "env:OPENAI_API_KEY", ok},
		{"route's file", routes, "file:openai", ok},
		{"route and a tenant's file", routes, "file:../acme/token", chat.Forbidden},
		{"route and a password", routes, "env:REDIS_PASSWORD", chat.Forbidden},
		{"static variable", static, "env:REDIS_PASSWORD", ok},
		{"static, empty", static, "env:EMPTY", ok},
		{"static file", static, "file:redis", ok},
		{"no folder configured", secret.New(secret.Options{Env: env()}).Static(), "file:redis", chat.NotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.scope.Resolve(tc.ref)
			if tc.kind == ok {
				if err != nil {
					t.Fatal(err)
				}
				want := map[bool]string{true: "env-value", false: "file-value"}[strings.HasPrefix(tc.ref, "env:")]
				if tc.ref == "env:EMPTY" {
					want = ""
				}
				if got.Reveal() != want {
					t.Errorf("resolved to another value")
				}
				return
			}
			if err == nil || chat.KindOf(err) != tc.kind {
				t.Fatalf("got %v, want kind %v", err, tc.kind)
			}
			if is := errors.Is(err, fs.ErrNotExist); is != (tc.kind == chat.NotFound) {
				t.Errorf("is fs.ErrNotExist: %v", is)
			}
			for _, value := range []string{"env-value", "file-value", "sk-live"} {
				if strings.Contains(err.Error(), value) {
					t.Errorf("the error holds a value: %v", err)
				}
			}
		})
	}
}

func TestProbe(t *testing.T) {
	store := secret.New(secret.Options{Dir: t.TempDir(), Env: env("ACME_A", "x")})
	for _, tc := range []struct {
		ref       string
		zero, err bool
	}{
		{"env:ACME_A", false, false},
		{"env:ACME_B", true, false},
		{"file:none", true, false},
		{"env:OTHER", true, true},
		{"literal", true, true},
		{"age:YWJj", true, false}, // no identity here
	} {
		t.Run(tc.ref, func(t *testing.T) {
			v, err := store.ProbeTenant("acme", tc.ref)
			if v.IsZero() != tc.zero || (err != nil) != tc.err {
				t.Errorf("zero %v, err %v", v.IsZero(), err)
			}
		})
	}
}

func TestSealed(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "identity")
	write(t, file, "# made today\n"+id.String()+"\n")
	store := secret.New(secret.Options{Env: env("PARLEY_AGE_IDENTITY", id.String())})
	seal := func(scope secret.Scope, to *age.X25519Identity, value string) string {
		ref, err := scope.Seal(to.Recipient().String(), chat.NewSecret(value))
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	mine := seal(store.Tenant("acme"), id, "sealed-value")
	for _, tc := range []struct {
		name  string
		store *secret.Store
		ref   string
		kind  chat.Kind
	}{
		{"opens", store, mine, -1},
		{"identity in a file", secret.New(secret.Options{Env: env("PARLEY_AGE_IDENTITY_FILE", file)}), mine, -1},
		{"copied from another tenant", store, seal(store.Tenant("globex"), id, "sealed-value"), chat.Forbidden},
		{"another identity", store, seal(store.Tenant("acme"), other, "sealed-value"), chat.Invalid},
		{"no secret inside", store, seal(store.Tenant("acme"), id, ""), chat.Invalid},
		{"cut", store, mine[:len(mine)-8], chat.Invalid},
		{"no identity", secret.New(secret.Options{Env: env()}), mine, chat.NotFound},
		{"faulty identity", secret.New(secret.Options{Env: env("PARLEY_AGE_IDENTITY", "sealed-value")}), mine, chat.Invalid},
		{"absent identity file", secret.New(secret.Options{Env: env("PARLEY_AGE_IDENTITY_FILE", file+"x")}), mine, chat.Invalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.store.Tenant("acme").Resolve(tc.ref)
			if tc.kind == -1 {
				if err != nil || got.Reveal() != "sealed-value" {
					t.Fatalf("did not open: %v", err)
				}
				return
			}
			if err == nil || chat.KindOf(err) != tc.kind {
				t.Fatalf("got %v, want kind %v", err, tc.kind)
			}
			if strings.Contains(err.Error(), "sealed-value") || strings.Contains(err.Error(), "AGE-SECRET-KEY-1Q") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
	for flag, scope := range map[string]secret.Scope{"--tenant acme": store.Tenant("acme"), "--routes": store.Routes(), "--static": store.Static()} {
		_, err := scope.Resolve(seal(store.Tenant("globex"), id, "sealed-value"))
		if err == nil || !strings.HasSuffix(err.Error(), "parley seal --to RECIPIENT "+flag) {
			t.Errorf("it does not say how to seal for %s: %v", flag, err)
		}
	}
	if _, err := store.Tenant("acme").Seal("age1nonsense", chat.NewSecret("x")); chat.KindOf(err) != chat.Invalid {
		t.Errorf("a faulty recipient: %v", err)
	}
}

// TestWatch swaps a mounted folder as Kubernetes does, makes a file that was absent, and lets a tenant come that owns another's variables.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "acme", "..1", "token"), "one")
	write(t, filepath.Join(dir, "acme", "..2", "token"), "two")
	link := func(to string) {
		tmp := filepath.Join(dir, "acme", "..tmp")
		if err := os.Symlink(to, tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(dir, "acme", "..data")); err != nil {
			t.Fatal(err)
		}
	}
	link("..1")
	if err := os.Symlink("..data/token", filepath.Join(dir, "acme", "token")); err != nil {
		t.Fatal(err)
	}
	store := secret.New(secret.Options{Dir: dir, Env: env("ACME_EU_KEY", "x")})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	changed := make(chan struct{}, 100)
	store.OnChange(func() { changed <- struct{}{} })
	go func() { _ = store.Watch(ctx) }()

	until := func(what, ref string, good func(chat.Secret, error) bool) {
		t.Helper()
		for {
			if v, err := store.ResolveTenant("acme", ref); good(v, err) {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				t.Fatalf("%s: never seen", what)
			}
		}
	}
	is := func(want string) func(chat.Secret, error) bool {
		return func(v chat.Secret, err error) bool { return err == nil && v.Reveal() == want }
	}
	until("start", "file:token", is("one"))
	link("..2")
	<-changed
	until("swap", "file:token", is("two"))
	if _, err := store.ResolveTenant("acme", "file:late"); err == nil {
		t.Fatal("a file before it exists")
	}
	write(t, filepath.Join(dir, "acme", "late"), "three")
	<-changed
	until("appears", "file:late", is("three"))
	until("before", "env:ACME_EU_KEY", is("x"))
	store.Tenant("acme-eu")
	<-changed
	until("taken", "env:ACME_EU_KEY", func(_ chat.Secret, err error) bool { return chat.KindOf(err) == chat.Forbidden })
}
