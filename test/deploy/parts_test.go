package deploy

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"parley/test/realdeps"
)

// TestRedisKeepsWhatItAnswers asks a real Redis with redis.conf what it does.
func TestRedisKeepsWhatItAnswers(t *testing.T) {
	conf, err := os.ReadFile(filepath.Join(deployDir, "redis.conf"))
	if err != nil {
		t.Fatal(err)
	}
	var args []string
	for line := range strings.Lines(string(conf)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && key != "#" {
			args = append(args, "--"+key, strings.Trim(value, `"`))
		}
	}
	s, err := realdeps.StartRedis(t.Context(), realdeps.Redis{Dir: t.TempDir(), Args: args})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	for key, want := range map[string]string{"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"} {
		if got := redisConfig(t, s.Addr, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

func redisConfig(t *testing.T, addr, key string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "CONFIG GET %s\r\n", key); err != nil {
		t.Fatal(err)
	}
	var lines []string // *2, $n, key, $n, value
	for r := bufio.NewScanner(c); len(lines) < 5 && r.Scan(); {
		lines = append(lines, r.Text())
	}
	if len(lines) < 5 {
		t.Fatalf("CONFIG GET %s: %q", key, lines)
	}
	return lines[4]
}

func TestHealthcheck(t *testing.T) {
	tests := []struct {
		name   string
		status int // 0: nobody listens
		ok     bool
	}{
		{"ready", http.StatusOK, true},
		{"not ready", http.StatusServiceUnavailable, false},
		{"nobody there", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			asked := ""
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked = r.URL.Path
				w.WriteHeader(tt.status)
			}))
			defer s.Close()
			_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
			if tt.status == 0 {
				s.Close()
			}
			cmd := exec.CommandContext(t.Context(), filepath.Join(deployDir, "healthcheck"))
			cmd.Env = append(os.Environ(), "OPS_PORT="+port)
			out, err := cmd.CombinedOutput()
			if (err == nil) != tt.ok {
				t.Errorf("error %v, output %s", err, out)
			}
			if tt.status != 0 && asked != "/readyz" {
				t.Errorf("asked for %q", asked)
			}
		})
	}
}
