package deploy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// users are what deploy/nacos/rights makes, with what each may write; all others of documents are refused.
var users = map[string]struct {
	variable string
	writes   []string
}{
	"parley-server":      {"NACOS_PASSWORD_SERVER", nil},
	"parley-client":      {"NACOS_PASSWORD_CLIENT", nil},
	"parley-switch":      {"NACOS_PASSWORD_SWITCH", []string{"parley-degradation"}},
	"parley-console":     {"NACOS_PASSWORD_CONSOLE", []string{"parley-degradation", "parley-routes", "tenant.acme", "tenant.globex"}},
	"parley-tenant-acme": {"NACOS_PASSWORD_TENANT_ACME", []string{"tenant.acme"}},
}

// holdsRights gives a Nacos whose administrator is logged in the users of deploy/nacos/rights, and has each try what it may and what it may not:
// over HTTP, and as Parley's own programs.
func holdsRights(ctx context.Context, t *testing.T, addr string, admin nacos) {
	env := append(os.Environ(), "NACOS_URL=http://"+addr+"/nacos", "NACOS_PASSWORD=right")
	for name, u := range users {
		env = append(env, u.variable+"=of "+name)
	}
	for range 2 { // the second time changes nothing
		cmd := exec.CommandContext(ctx, "sh", deployDir+"/nacos/rights")
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("rights: %v\n%s", err, out)
		}
	}
	documents := map[string]string{}
	for _, id := range users["parley-console"].writes {
		documents[id] = admin.read(t, id)
	}
	for name, u := range users {
		n := nacos{base: admin.base}
		eventually(t, 40*time.Second, "Nacos reads its users and rights again", func() bool {
			n.token = n.ask(t, name, "of "+name)
			first := append(u.writes, "parley-routes")[0]
			return n.token != "" && n.call(t, http.MethodGet, "/client/cs/config?groupName=PARLEY&dataId="+first+"&accessToken="+n.token, "", nil) == http.StatusOK
		})
		for id, content := range documents {
			may := strings.Contains(strings.Join(u.writes, " "), id)
			if status := n.put(t, id, content); may != (status == http.StatusOK) || !may && status != http.StatusForbidden {
				t.Errorf("%s writes %s: status %d", name, id, status)
			}
			if status := n.call(t, http.MethodDelete, "/admin/cs/config?groupName=PARLEY&dataId="+id+"&accessToken="+n.token, "", nil); !may && status != http.StatusForbidden {
				t.Errorf("%s removes %s: status %d", name, id, status)
			}
			if may {
				n.put(t, id, content)
			}
		}
		more := url.Values{"role": {name}, "resource": {"*:*:*"}, "action": {"rw"}, "accessToken": {n.token}}.Encode()
		if status := n.call(t, http.MethodPost, "/auth/permission", more, nil); status != http.StatusForbidden {
			t.Errorf("%s gives itself more rights: status %d", name, status)
		}
	}
	programsHaveEnough(ctx, t, addr)
}

// programsHaveEnough runs a server as parley-server, looks at it as parley-client, and flips the switch as parley-switch.
func programsHaveEnough(ctx context.Context, t *testing.T, addr string) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "parley")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", bin, "../../cmd/parley").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ops := freePort(t)
	parley := func(user string, args ...string) *exec.Cmd {
		config := fmt.Sprintf("rpc: {listen: %q}\nhttp: {ops: %q}\nregistry: {nacos: {addrs: [%s], username: %s, password: env:NACOS_PASSWORD}}\n",
			freePort(t), ops, addr, user)
		path := filepath.Join(dir, user+".server.yaml")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(ctx, bin, append(args, "--config", path)...)
		cmd.Env = append(os.Environ(), "NACOS_PASSWORD=of "+user, "OPENAI_API_KEY=k", "ZHIPU_API_KEY=k", "QIANFAN_API_KEY=k")
		return cmd
	}
	server := parley("parley-server", "server")
	var log strings.Builder
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = server.Process.Signal(os.Interrupt)
		if err := server.Wait(); err != nil || t.Failed() {
			t.Errorf("the server: %v\n%s", err, log.String())
		}
	}()
	eventually(t, time.Minute, "a server runs as parley-server", func() bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ops+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	run := func(user string, wants string, args ...string) {
		t.Helper()
		if out, _ := parley(user, args...).CombinedOutput(); !strings.Contains(string(out), wants) {
			t.Errorf("%s: parley %s, which should say %q:\n%s", user, strings.Join(args, " "), wants, out)
		}
	}
	run("parley-client", "parley-routes@", "status")
	run("parley-client", "refuses the user parley-client", "degrade", "--to", "chatglm", "--reason", "test")
	run("parley-switch", "chatglm", "degrade", "--to", "chatglm", "--reason", "test")
	run("parley-client", "every tenant", "status")
	run("parley-switch", "", "restore")
	run("parley-client", "no switch is in force", "status")
}

// ask logs in; empty: refused.
func (n *nacos) ask(t *testing.T, user, password string) string {
	t.Helper()
	var answer struct{ AccessToken string }
	body := url.Values{"username": {user}, "password": {password}}.Encode()
	if status := n.call(t, http.MethodPost, "/auth/user/login", body, nil); status != http.StatusOK {
		return ""
	}
	n.call(t, http.MethodPost, "/auth/user/login", body, &answer)
	return answer.AccessToken
}

func (n *nacos) put(t *testing.T, id, content string) (status int) {
	t.Helper()
	body := url.Values{"groupName": {"PARLEY"}, "dataId": {id}, "type": {"yaml"}, "content": {content}, "accessToken": {n.token}}.Encode()
	return n.call(t, http.MethodPost, "/admin/cs/config", body, nil)
}

func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(500 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// freePort is an address that nobody listens at now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
