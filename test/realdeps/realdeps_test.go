package realdeps

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestRedisStartsAnswersAndEnds(t *testing.T) {
	ctx := deadline(t, time.Minute)
	s, err := StartRedis(ctx, Redis{Dir: t.TempDir(), Args: []string{"--requirepass", "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := ping(ctx, s.Addr); err != nil {
		t.Errorf("a started Redis does not answer: %v", err)
	}
	s.Stop()
	s.Stop()
	if err := syscall.Kill(s.PID(), 0); err == nil {
		t.Errorf("process %d still runs after Stop", s.PID())
	}
	if err := ping(ctx, s.Addr); err == nil {
		t.Error("a stopped Redis answers")
	}
}

func TestTwoServersRunSideBySide(t *testing.T) {
	ctx := deadline(t, time.Minute)
	seen := map[string]bool{}
	for range 2 {
		s, err := StartRedis(ctx, Redis{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Kill)
		seen[s.Addr] = true
	}
	if len(seen) != 2 {
		t.Errorf("two servers share an address: %v", seen)
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	_, err = StartRedis(deadline(t, time.Minute), Redis{Dir: t.TempDir(), Port: port})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d is taken", port)) {
		t.Errorf("got error %v", err)
	}
}

func TestServerThatEndsEarlyShowsItsLastLines(t *testing.T) {
	start := time.Now()
	_, err := StartRedis(deadline(t, time.Minute), Redis{Dir: t.TempDir(), Args: []string{"--no-such-option", "1"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("the error does not show what the server printed: %v", err)
	}
	if time.Since(start) > 30*time.Second {
		t.Error("waited for a server that had ended")
	}
}

func TestNeedNamesWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := Need(t.Context(), "redis-server", "redis-server")
	if err == nil || !strings.Contains(err.Error(), "redis-server is not installed") {
		t.Errorf("got error %v", err)
	}
}

func TestLockIsHeldUntilUnlocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan struct{})
	go func() {
		defer close(second)
		if unlock, err := lock(path); err == nil {
			unlock()
		}
	}()
	select {
	case <-second:
		t.Fatal("two hold one lock")
	case <-time.After(50 * time.Millisecond):
	}
	unlock()
	<-second
}

// TestServersEndWithTheirParent kills a process that started a Redis: nothing may stay behind.
func TestServersEndWithTheirParent(t *testing.T) {
	if dir := os.Getenv("REALDEPS_TEST_PARENT"); dir != "" {
		s, err := StartRedis(t.Context(), Redis{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("started", s.PID(), s.Addr)
		select {}
	}
	parent := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	parent.Env = append(os.Environ(), "REALDEPS_TEST_PARENT="+t.TempDir())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	var addr string
	if _, err := fmt.Sscanf(line, "started %d %s", &pid, &addr); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	ctx := deadline(t, 30*time.Second)
	for ping(ctx, addr) == nil {
		select {
		case <-ctx.Done():
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("Redis outlived the process that started it")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestNacosKeepsItsUsersOverARestart also shows that authentication is on with a password. It needs what starts Nacos, so it runs only
// where `with` has found that to work.
func TestNacosKeepsItsUsersOverARestart(t *testing.T) {
	if os.Getenv("PARLEY_TEST_NACOS") == "" {
		t.Skip("PARLEY_TEST_NACOS is not set: make test sets it")
	}
	ctx := deadline(t, 5*time.Minute)
	n := Nacos{Dir: t.TempDir(), Auth: true, Password: "right"}
	first, err := StartNacos(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(first.Kill)
	_, port, _ := net.SplitHostPort(first.Addr)
	base := "http://" + first.Addr + "/nacos/v3"
	wrong := url.Values{"username": {"nacos"}, "password": {"wrong"}}
	if err := call(ctx, http.MethodPost, base+"/auth/user/login", wrong); err == nil {
		t.Error("a wrong password logs in")
	}
	first.Stop()

	if _, err := fmt.Sscan(port, &n.Port); err != nil {
		t.Fatal(err)
	}
	second, err := StartNacos(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Kill)
	if second.Addr != first.Addr {
		t.Errorf("restarted at %s, not at %s", second.Addr, first.Addr)
	}
	right := url.Values{"username": {"nacos"}, "password": {"right"}}
	if err := call(ctx, http.MethodPost, base+"/auth/user/login", right); err != nil {
		t.Errorf("the password set before the restart is gone: %v", err)
	}
}
