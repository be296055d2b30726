package deploy

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/test/realdeps"
)

// TestPublish runs publish.sh against a new Nacos, as compose does, and again after an operator's edit; then it gives everybody their rights.
func TestPublish(t *testing.T) {
	if os.Getenv("PARLEY_TEST_NACOS") == "" {
		t.Skip("PARLEY_TEST_NACOS is not set: make test sets it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s, err := realdeps.StartNacos(ctx, realdeps.Nacos{Dir: t.TempDir(), Auth: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	n := nacos{base: "http://" + s.Addr + "/nacos/v3"}

	out, err := publish(ctx, s.Addr, "right", "120")
	if err != nil {
		t.Fatalf("publish: %v\n%s", err, out)
	}
	files, err := filepath.Glob(deployDir + "/live/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents to publish: %v", err)
	}
	n.login(t, "right")
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.read(t, strings.TrimSuffix(filepath.Base(file), ".yaml")); got != string(want) {
			t.Errorf("%s is not in Nacos as it stands in the file, but:\n%s", file, got)
		}
	}
	if status := n.call(t, http.MethodGet, "/admin/cs/config?groupName=PARLEY&dataId=parley-routes", "", nil); status == http.StatusOK {
		t.Error("Nacos shows documents without a login")
	}

	edited := "switches: [{id: all, active: true, to: chatglm}]\n"
	n.write(t, "parley-degradation", edited)
	if out, err = publish(ctx, s.Addr, "right", "120"); err != nil {
		t.Fatalf("publish again: %v\n%s", err, out)
	}
	if got := n.read(t, "parley-degradation"); got != edited {
		t.Errorf("publishing again undid an operator's edit:\n%s", got)
	}

	if out, err = publish(ctx, s.Addr, "wrong", "1"); err == nil || !strings.Contains(out, "NACOS_PASSWORD") {
		t.Errorf("a wrong password: error %v, output:\n%s", err, out)
	}
	holdsRights(ctx, t, s.Addr, n)
}

func TestPublishSaysWhatIsMissing(t *testing.T) {
	for name, env := range map[string][]string{
		"NACOS_URL":      {"NACOS_PASSWORD=x"},
		"NACOS_PASSWORD": {"NACOS_URL=http://127.0.0.1:1/nacos"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "sh", deployDir+"/publish.sh", deployDir+"/live")
			cmd.Env = append(env, "PATH="+os.Getenv("PATH"))
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), name+" is missing") {
				t.Errorf("error %v, output: %s", err, out)
			}
		})
	}
}

func publish(ctx context.Context, addr, password, wait string) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", deployDir+"/publish.sh", deployDir+"/live")
	cmd.Env = append(os.Environ(), "NACOS_URL=http://"+addr+"/nacos", "NACOS_PASSWORD="+password, "NACOS_WAIT="+wait)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// nacos calls the administration API with a login.
type nacos struct{ base, token string }

func (n *nacos) login(t *testing.T, password string) {
	t.Helper()
	var answer struct{ AccessToken string }
	body := url.Values{"username": {"nacos"}, "password": {password}}.Encode()
	if status := n.call(t, http.MethodPost, "/auth/user/login", body, &answer); status != http.StatusOK || answer.AccessToken == "" {
		t.Fatalf("login: status %d", status)
	}
	n.token = answer.AccessToken
}

func (n *nacos) read(t *testing.T, id string) string {
	t.Helper()
	var answer struct{ Data struct{ Content string } }
	if status := n.call(t, http.MethodGet, "/admin/cs/config?groupName=PARLEY&dataId="+id+"&accessToken="+n.token, "", &answer); status != http.StatusOK {
		t.Errorf("%s: status %d", id, status)
	}
	return answer.Data.Content
}

func (n *nacos) write(t *testing.T, id, content string) {
	t.Helper()
	body := url.Values{"groupName": {"PARLEY"}, "dataId": {id}, "content": {content}, "accessToken": {n.token}}.Encode()
	if status := n.call(t, http.MethodPost, "/admin/cs/config", body, nil); status != http.StatusOK {
		t.Fatalf("write %s: status %d", id, status)
	}
}

func (n *nacos) call(t *testing.T, method, path, body string, answer any) (status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, n.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(raw, answer); err != nil {
			t.Fatalf("%s: %v in %s", path, err, raw)
		}
	}
	return resp.StatusCode
}
