package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gopkg.in/yaml.v3"

	"parley/internal/config"
)

const examples = "../../configs"

func TestDetect(t *testing.T) {
	for _, tc := range []struct {
		path, content string
		kind          config.Kind
		name          string
	}{
		{"client.yaml", "", config.KindClient, "client"},
		{"etc/server.yml", "redis: {}", config.KindServer, "server"},
		{"parley-routes.yaml", "", config.KindRoutes, "parley-routes"},
		{"parley-degradation.yaml", "", config.KindDegradation, "parley-degradation"},
		{"parley-degradation", "", config.KindDegradation, "parley-degradation"},
		{"tenant.acme.yaml", "", config.KindTenant, "tenant.acme"},
		{"tenant.acme-eu.yaml", "models: {}", config.KindTenant, "tenant.acme-eu"},
		{"a.yaml", "redis: {}\nregistry: {}", config.KindClient, "a"},
		{"a.yaml", "outbound: []\nregistry: {}", config.KindServer, "a"},
		{"a.yaml", "rpc: {}\nregistry: {}", config.Unknown, "a"},
		{"my-server.yaml", "rpc: {}\nregistry: {}", config.KindServer, "my-server"},
		{"my-client.yaml", "rpc: {}\nregistry: {}", config.KindClient, "my-client"},
		{"a.yaml", "providers: {}\nmodels: {}\ntenants: {}", config.KindRoutes, "parley-routes"},
		{"a.yaml", "switches: []", config.KindDegradation, "parley-degradation"},
		{"a.yaml", "name: acme\nchannels: []", config.KindTenant, "tenant.acme"},
		{"tenant.ACME.yaml", "name: ACME\nchannels: []", config.KindTenant, ""},
		{"a.yaml", "name: &n acme\nmodel: *n", config.KindTenant, "tenant.acme"},
		{"a.yaml", "apiVersion: v1\nkind: Pod", config.Unknown, "a"},
		{"a.yaml", "- 1", config.Unknown, "a"},
		{"a.yaml", "{", config.Unknown, "a"},
		{"a.yaml", "", config.Unknown, "a"},
	} {
		t.Run(tc.path+" "+tc.content, func(t *testing.T) {
			kind, name := config.Detect(tc.path, []byte(tc.content))
			if kind != tc.kind || name != tc.name {
				t.Errorf("got %q, %q", kind, name)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	put := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fault := func(line int) config.Decoder {
		return func(d config.Document) config.Faults {
			return config.Faults{{File: d.File, Line: line + 1, What: fmt.Sprintf("%s of %d bytes", d.Name, len(d.Content))}, {File: d.File, Line: line}}
		}
	}
	fine := func(config.Document) config.Faults { return nil }
	folder := filepath.Dir(put("live/tenant.b.yaml", "name: b"))
	put("live/tenant.a.yaml", "name: a")
	put("live/notes.txt", "")
	files := []string{
		put("client.yaml", "http: {listen: nowhere}\nhttp: {}\ntenants: [A]"), put("server.yaml", "outbound: []"), put("parley-routes.yaml", "models: {}"),
		put("odd.yaml", "a: 1"), put("broken.yaml", "a: ["), filepath.Join(dir, "none.yaml"), put("parley-degradation.yaml", ""), folder,
		filepath.Dir(put("empty/readme", "")),
	}
	got := config.Check(files, config.Options{Env: env(), Elsewhere: true}, map[config.Kind]config.Decoder{
		config.KindRoutes: fault(7), config.KindTenant: fine, config.KindDegradation: fine})
	type brief struct {
		File  string
		Kind  config.Kind
		Lines []int
	}
	var have []brief
	for _, c := range got {
		b := brief{File: c.File, Kind: c.Kind}
		for _, f := range c.Faults {
			b.Lines = append(b.Lines, f.Line)
			if f.File != c.File {
				t.Errorf("%s has a fault of %s", c.File, f.File)
			}
		}
		have = append(have, b)
	}
	want := []brief{
		{files[0], config.KindClient, []int{1, 2, 3}}, {files[1], config.KindServer, nil}, {files[2], config.KindRoutes, []int{7, 8}},
		{files[3], config.Unknown, []int{0}}, {files[4], config.Unknown, []int{1}}, {files[5], config.Unknown, []int{0}},
		{files[6], config.KindDegradation, nil}, {filepath.Join(folder, "tenant.a.yaml"), config.KindTenant, nil},
		{filepath.Join(folder, "tenant.b.yaml"), config.KindTenant, nil}, {files[8], config.Unknown, []int{0}},
	}
	if diff := cmp.Diff(want, have, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestExamples loads what a newcomer copies, as it stands.
func TestExamples(t *testing.T) {
	t.Chdir(filepath.Join("..", "..")) // the examples name configs/live from there
	// These have decoders of their own, with tests that read the same files.
	fine := func(d config.Document) config.Faults {
		var any map[string]any
		if err := yaml.Unmarshal(d.Content, &any); err != nil || len(any) == 0 {
			return config.Faults{{File: d.File, What: fmt.Sprint(err)}}
		}
		return nil
	}
	got := config.Check([]string{"configs", "configs/live"}, config.Options{Env: env(), Secrets: resolver(map[string]string{
		"env:REDIS_PASSWORD": "r", "env:NACOS_PASSWORD": "n", "file:console-admin": config.HashPrefix})},
		map[config.Kind]config.Decoder{config.KindRoutes: fine, config.KindDegradation: fine, config.KindPrices: fine, config.KindTenant: fine})
	kinds := map[config.Kind]int{}
	for _, c := range got {
		kinds[c.Kind]++
		if err := c.Faults.Err(); err != nil {
			t.Error(err)
		}
	}
	want := map[config.Kind]int{config.KindClient: 2, config.KindServer: 2, config.KindConsole: 1, config.KindRoutes: 1, config.KindDegradation: 1, config.KindPrices: 1, config.KindTenant: 1}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestExamplesShowTheDefaults: the annotated files say that they show the defaults, and a key that they leave out is a key unknown.
func TestExamplesShowTheDefaults(t *testing.T) {
	c, err := config.LoadClient(filepath.Join(examples, "client.yaml"), config.Options{Env: env()})
	if err != nil {
		t.Fatal(err)
	}
	want := config.DefaultClient()
	want.Tenants = []string{"acme"}
	if diff := diff(want, c); diff != "" {
		t.Errorf("client.yaml (-default +example)\n%s", diff)
	}
	s, err := config.LoadServer(filepath.Join(examples, "server.yaml"), config.Options{Env: env()})
	if err != nil {
		t.Fatal(err)
	}
	if diff := diff(config.DefaultServer(), s); diff != "" {
		t.Errorf("server.yaml (-default +example)\n%s", diff)
	}
	page, err := config.LoadConsole(filepath.Join(examples, "console.yaml"), config.Options{Env: env()})
	if err != nil {
		t.Fatal(err)
	}
	usual := config.DefaultConsole()
	usual.Users, usual.Proxies, usual.Tenants = page.Users, []string{}, []string{}
	if diff := diff(usual, page); diff != "" {
		t.Errorf("console.yaml (-default +example)\n%s", diff)
	}
}

func TestLoadEither(t *testing.T) {
	for _, tc := range []struct{ file, mode, source, fault string }{
		{"client.yaml", "nacos", "nacos", ""},
		{"server.direct.yaml", "direct", "file", ""},
		{"live/parley-routes.yaml", "", "", "is neither a client's, a server's nor a console's"},
	} {
		t.Run(tc.file, func(t *testing.T) {
			t.Chdir(filepath.Join("..", ".."))
			e, err := config.Load(filepath.Join("configs", tc.file), config.Options{Env: env()})
			if tc.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fault) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || e.Registry().Mode != tc.mode || e.Live().Source != tc.source {
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
}

// FuzzLoad: no file makes loading panic, and faults never repeat a secret's literal.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", examples + "/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(content)
		}
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("redis: &r {tls: *r}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		for _, name := range []string{"client.yaml", "server.yaml", "a.yaml"} {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, c := range config.Check([]string{path}, config.Options{Env: env(), Elsewhere: true, Secrets: resolver(nil)}, nil) {
				for _, fault := range c.Faults {
					if fault.What == "" || fault.File != path {
						t.Errorf("a fault that says nothing: %+v", fault)
					}
				}
			}
		}
	})
}
