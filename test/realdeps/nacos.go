package realdeps

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	_ "embed"
)

// Nacos says how to start a Nacos: version 3.1.0, standalone, with its embedded database.
type Nacos struct {
	Dir       string        // an existing folder for its data and logs; a restart with the same folder keeps configuration
	Port      int           // 0: a free one. It also takes Port+1000 and Port+1001 (gRPC), which are not bound to loopback, and Port-1000
	TokenKey  string        // what its tokens are signed with; empty: always the same
	Auth      bool          // whoever calls must log in
	TokenLife time.Duration // of a login, in whole seconds; 0: 5 h
	Password  string        // of user "nacos", set at the first start; empty with Auth: not set yet, as in any new Nacos
}

// StartNacos starts a Nacos and returns once it is ready, usually after 15 to 60 s; the very first time it also downloads 200 MB of jars.
func StartNacos(ctx context.Context, n Nacos) (*Server, error) {
	lib, err := nacosJars(ctx)
	if err != nil {
		return nil, fmt.Errorf("get Nacos: %w", err)
	}
	return onFreePort(n.Port, []int{0, 1000, 1001, -1000}, func(port int) (*Server, error) {
		if err := n.configure(port); err != nil {
			return nil, fmt.Errorf("configure Nacos: %w", err)
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		s, err := start("Nacos", addr, n.Dir, n.command(lib))
		if err != nil {
			return nil, err
		}
		if err := s.waitFor(ctx, n.probe(addr)); err != nil {
			s.Stop()
			return nil, err
		}
		return s, nil
	})
}

func (n Nacos) command(lib string) *exec.Cmd {
	return exec.Command("java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dnacos.standalone=true",
		"-Dnacos.home="+n.Dir,
		"-Dnacos.logs.path="+filepath.Join(n.Dir, "logs"),
		"-Dspring.config.additional-location=file:"+filepath.Join(n.Dir, "conf")+"/",
		"-Dderby.system.durability=test", // no fsync: the data need not survive the machine
		"-cp", classPath(lib), "NacosStandalone")
}

//go:embed nacos.properties
var nacosProperties string

func (n Nacos) configure(port int) error {
	t, err := template.New("nacos.properties").Parse(nacosProperties)
	if err != nil {
		return err
	}
	conf := filepath.Join(n.Dir, "conf")
	if err := os.MkdirAll(conf, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(conf, "application.properties"))
	if err != nil {
		return err
	}
	defer f.Close()
	return t.Execute(f, struct {
		Port, Life int
		Auth       bool
		Dir, Key   string
	}{port, int(cmp.Or(n.TokenLife, 5*time.Hour) / time.Second), n.Auth, n.Dir, base64.StdEncoding.EncodeToString([]byte(cmp.Or(n.TokenKey, "parley-test-only-secret-key-32-bytes")))})
}

// probe asks for readiness and, with a password, for a login. A new Nacos has no password: it is set once, and works when Nacos has read
// its users again, which it does every 15 s.
func (n Nacos) probe(addr string) func(context.Context) error {
	base := "http://" + addr + "/nacos/v3"
	return func(ctx context.Context) error {
		if err := call(ctx, http.MethodGet, base+"/admin/core/state/readiness", nil); err != nil || n.Password == "" {
			return err
		}
		login := url.Values{"username": {"nacos"}, "password": {n.Password}}
		err := call(ctx, http.MethodPost, base+"/auth/user/login", login)
		if err != nil {
			_ = call(ctx, http.MethodPost, base+"/auth/user/admin", url.Values{"password": {n.Password}}) // refused once it is set
		}
		return err
	}
}

func call(ctx context.Context, method, address string, form url.Values) error {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", req.URL.Path, resp.Status)
	}
	return nil
}
