package deploy

import (
	"bytes"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/liveconfig"
	"parley/internal/secret"
)

// exampleEnv reads .env.example and gives every variable a value.
func exampleEnv(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(deployDir, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			switch {
			case strings.HasSuffix(name, "_AES"):
				value = strings.Repeat("k", 42) + "A" // 32 bytes, as WeCom's EncodingAESKey
			case name == "CONSOLE_ADMIN":
				value = config.HashPrefix + "v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"
			case value == "":
				value = "value of " + name
			}
			env[name] = value
		}
	}
	return env
}

func load(t *testing.T) *composition {
	t.Helper()
	c, err := readComposition(filepath.Join(deployDir, "compose.yaml"), exampleEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// parleys are the services that run our image, by name, with their role.
func parleys(t *testing.T, c *composition) map[string]string {
	t.Helper()
	roles := map[string]string{}
	for name, s := range c.Services {
		if strings.HasPrefix(s.Image, "parley:") && len(s.Command) == 3 {
			roles[name] = s.Command[0]
		}
	}
	return roles
}

func TestCompositionHasWhatTheReadmePromises(t *testing.T) {
	c := load(t)
	roles := parleys(t, c)
	want := map[string]string{"server": "server", "client-acme": "client", "client-globex": "client", "console": "console"}
	if !maps.Equal(roles, want) {
		t.Fatalf("our services are %v, want %v", roles, want)
	}
	server := c.Services["server"]
	if server.Deploy.Replicas != 3 {
		t.Errorf("%d servers, want 3", server.Deploy.Replicas)
	}
	if len(server.Ports) != 0 {
		t.Errorf("servers publish %v: a second replica could not, and nobody outside may call them", server.Ports)
	}
	for name := range roles {
		s := c.Services[name]
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may write to its image or gain privileges", name)
		}
		if s.StopGracePeriod != "200s" {
			t.Errorf("%s is killed after %q: the longest turn lasts 180s", name, s.StopGracePeriod)
		}
	}
}

func TestServicesReferToWhatExists(t *testing.T) {
	c := load(t)
	published := map[string]string{}
	for name, s := range c.Services {
		if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "" || tag == "latest" {
			t.Errorf("%s runs %q, which is no fixed version", name, s.Image)
		}
		if s.Build != nil {
			exists(t, name, filepath.Join(deployDir, s.Build.Context, s.Build.Dockerfile))
		}
		for dep, condition := range s.DependsOn {
			on, ok := c.Services[dep]
			switch {
			case !ok:
				t.Errorf("%s waits for %s, which is no service", name, dep)
			case condition == "service_healthy" && on.Healthcheck == nil:
				t.Errorf("%s waits until %s is healthy, which has no health check", name, dep)
			case condition == "service_completed_successfully" && on.Restart != "":
				t.Errorf("%s waits until %s has ended, which is started again", name, dep)
			}
		}
		for _, n := range s.Networks {
			if _, ok := c.Networks[n]; !ok {
				t.Errorf("%s joins the network %s, which is not declared", name, n)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(from, ".") {
				exists(t, name, filepath.Join(deployDir, from))
			} else if _, ok := c.Volumes[from]; !ok {
				t.Errorf("%s mounts the volume %s, which is not declared", name, from)
			}
		}
		for _, p := range s.Ports {
			host, ok := strings.CutPrefix(p[:strings.LastIndex(p, ":")], "127.0.0.1:")
			if !ok {
				t.Errorf("%s publishes %s beyond loopback", name, p)
			}
			if other, taken := published[host]; taken {
				t.Errorf("%s and %s publish port %s", name, other, host)
			}
			published[host] = name
			if !slices.ContainsFunc(s.Networks, func(n string) bool { return !c.Networks[n].Internal }) {
				t.Errorf("%s publishes a port and is on internal networks alone", name)
			}
		}
	}
}

func exists(t *testing.T, who, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%s: %v", who, err)
	}
}

// TestConfigurationLoads reads each service's configuration in exactly the environment that the service gets.
func TestConfigurationLoads(t *testing.T) {
	c := load(t)
	for name, role := range parleys(t, c) {
		t.Run(name, func(t *testing.T) {
			s := c.Services[name]
			path := mounted(t, s, s.Command[2])
			lookup := func(v string) (string, bool) { value, ok := s.Environment[v]; return value, ok }
			store := secret.New(secret.Options{Env: lookup})
			opt := config.Options{Env: lookup, Secrets: func(string) func(string) (chat.Secret, error) { return store.Static().Resolve }}
			var hosts []string
			switch role {
			case "server":
				cfg, err := config.LoadServer(path, opt)
				if err != nil {
					t.Fatal(err)
				}
				hosts = cfg.Registry.Nacos.Addrs
			case "console":
				cfg, err := config.LoadConsole(path, opt)
				if err != nil {
					t.Fatal(err)
				}
				hosts = slices.Concat(cfg.Registry.Nacos.Addrs, cfg.Redis.Addrs)
			case "client":
				cfg, err := config.LoadClient(path, opt)
				if err != nil {
					t.Fatal(err)
				}
				hosts = slices.Concat(cfg.Registry.Nacos.Addrs, cfg.Redis.Addrs)
				if want := []string{strings.TrimPrefix(name, "client-")}; !slices.Equal(cfg.Tenants, want) {
					t.Errorf("serves %v, want %v", cfg.Tenants, want)
				}
			}
			for _, addr := range hosts {
				host, _, _ := strings.Cut(addr, ":")
				if !slices.ContainsFunc(s.Networks, func(n string) bool { return slices.Contains(c.Services[host].Networks, n) }) {
					t.Errorf("calls %s, but shares no network with a service %s", addr, host)
				}
			}
		})
	}
}

// mounted is the file of deploy/ that a service sees at path.
func mounted(t *testing.T, s service, path string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if from, to, _ := strings.Cut(v, ":"); strings.TrimSuffix(to, ":ro") == path {
			return filepath.Join(deployDir, from)
		}
	}
	t.Fatalf("nothing is mounted at %s", path)
	return ""
}

var reference = regexp.MustCompile(`\benv:([A-Z0-9_]+)`)

func references(t *testing.T, path string) (names []string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range reference.FindAllStringSubmatch(string(raw), -1) {
		names = append(names, m[1])
	}
	return names
}

// TestSecretsReachWhoNeedsThem compares each service's environment with the references of its configuration and of the documents that it
// reads: nothing is missing, and nothing is there for nobody.
func TestSecretsReachWhoNeedsThem(t *testing.T) {
	c := load(t)
	for name, role := range parleys(t, c) {
		t.Run(name, func(t *testing.T) {
			s := c.Services[name]
			documents := []string{mounted(t, s, s.Command[2])}
			switch role {
			case "server":
				documents = append(documents, filepath.Join(deployDir, "live", "parley-routes.yaml"))
			case "client": // the console reads the documents, and resolves none of their references
				documents = append(documents, filepath.Join(deployDir, "live", "tenant."+s.Environment["PARLEY_TENANTS"]+".yaml"))
			}
			needed := map[string]bool{}
			for _, d := range documents {
				for _, ref := range references(t, d) {
					needed[ref] = true
					if s.Environment[ref] == "" {
						t.Errorf("%s refers to env:%s, which %s does not get", d, ref, name)
					}
				}
			}
			for v := range s.Environment {
				if !needed[v] && !strings.HasPrefix(v, "PARLEY_") && !strings.HasPrefix(v, "OTEL_") {
					t.Errorf("%s gets %s and needs it for nothing", name, v)
				}
			}
		})
	}
}

// TestFilesPassCheck runs `parley check` over everything that is deployed.
func TestFilesPassCheck(t *testing.T) {
	files := []string{filepath.Join(deployDir, "client.yaml"), filepath.Join(deployDir, "server.yaml"), filepath.Join(deployDir, "console.yaml"), filepath.Join(deployDir, "live")}
	for name, value := range exampleEnv(t) {
		t.Setenv(name, value)
	}
	var out bytes.Buffer
	if err := operate.Check(t.Context(), wire.Env{Stdout: &out, Stderr: &out}, files, false); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
	for _, kind := range []string{"client", "server", "console", "parley-routes", "parley-degradation", "tenant"} {
		if !strings.Contains(out.String(), "ok ("+kind+")") {
			t.Errorf("no document of kind %s was checked:\n%s", kind, out.String())
		}
	}
}

func TestEveryExampleVariableIsUsed(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(deployDir, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range exampleEnv(t) {
		if !strings.Contains(string(raw), "${"+name+":") {
			t.Errorf(".env.example has %s, which compose.yaml does not use", name)
		}
	}
	if _, err := readComposition(filepath.Join(deployDir, "compose.yaml"), nil); err == nil {
		t.Error("compose.yaml is accepted without an .env")
	}
}

// TestAnyOneProvidersKeyIsEnough leaves all providers' keys but one empty, as .env.example allows: everything starts, and no tenant's document is
// refused for a key that nobody has.
func TestAnyOneProvidersKeyIsEnough(t *testing.T) {
	for _, key := range []string{"OPENAI_API_KEY", "ZHIPU_API_KEY", "QIANFAN_API_KEY"} {
		t.Run(key, func(t *testing.T) {
			env := exampleEnv(t)
			for name := range env {
				if strings.HasSuffix(name, "_KEY") && name != key {
					env[name] = ""
				}
			}
			c, err := readComposition(filepath.Join(deployDir, "compose.yaml"), env)
			if err != nil {
				t.Fatal(err)
			}
			for name := range parleys(t, c) {
				tenant := c.Services[name].Environment["PARLEY_TENANTS"]
				if tenant == "" {
					continue
				}
				raw, err := os.ReadFile(filepath.Join(deployDir, "live", "tenant."+tenant+".yaml"))
				if err != nil {
					t.Fatal(err)
				}
				secrets := secret.New(secret.Options{Env: func(v string) (string, bool) { value, ok := c.Services[name].Environment[v]; return value, ok }})
				co, err := wire.DecodeCompany(liveconfig.Document{Name: "tenant." + tenant, Content: raw}, secrets.ResolveTenant, channel.Deps{HTTP: http.DefaultClient})
				if err != nil {
					t.Fatal(err)
				}
				defer co.Close()
				if provider := map[string]string{"OPENAI_API_KEY": "openai", "ZHIPU_API_KEY": "chatglm", "QIANFAN_API_KEY": "ernie"}[key]; co.Tenant.Providers != nil && !slices.Contains(co.Tenant.Providers, provider) {
					t.Errorf("nobody answers %s: it does not allow %s", tenant, provider)
				}
			}
		})
	}
}

func TestInterpolate(t *testing.T) {
	env := map[string]string{"A": "a"}
	tests := []struct{ in, want string }{
		{"x${A}y", "xay"},
		{"${B:-b}${A:-b}", "ba"},
		{"${A:?missing}", "a"},
		{"$${A} $$B", "${A} $B"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			if got, err := interpolate(tt.in, env); err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	if _, err := interpolate("${B:?set it}", env); err == nil || !strings.Contains(err.Error(), "B: set it") {
		t.Errorf("a missing variable: %v", err)
	}
}
