package redisstore

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/internal/conversation/storetest"
)

// leaders runs Lead for one role in several replicas and watches who has it.
type leaders struct {
	t     *testing.T
	now   atomic.Int32 // how many lead
	began chan int     // who began, in order
}

func (l *leaders) seek(ctx context.Context, s *Store, key string, i int) (ended chan struct{}) {
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		s.Lead(ctx, key, func(ctx context.Context) {
			if n := l.now.Add(1); n != 1 {
				l.t.Errorf("%d lead at once", n)
			}
			l.began <- i
			<-ctx.Done()
			l.now.Add(-1)
		})
	}()
	return ended
}

// next waits until one more begins to lead.
func (l *leaders) next(what string) int {
	l.t.Helper()
	select {
	case i := <-l.began:
		return i
	case <-time.After(40 * time.Second):
		l.t.Fatalf("%s: nobody leads", what)
		return 0
	}
}

// One of many leads, and when it leaves another does at once, on every Redis.
func TestLead(t *testing.T) {
	everywhere(t, func(t *testing.T, _ storetest.Harness, s *Store) {
		l := &leaders{t: t, began: make(chan int, 100)}
		const replicas = 4
		var ends [replicas]context.CancelFunc
		var ended [replicas]chan struct{}
		for i := range replicas {
			var ctx context.Context
			ctx, ends[i] = context.WithCancel(t.Context())
			ended[i] = l.seek(ctx, s, "acme/bot", i)
		}
		other := &leaders{t: t, began: make(chan int, 100)}
		ctx, end := context.WithCancel(t.Context())
		defer end()
		other.seek(ctx, s, "acme/bot2", 9)
		other.next("another role")
		for n := range replicas {
			i := l.next("replica after replica")
			left := time.Now()
			ends[i]()
			<-ended[i]
			if n == 0 {
				t.Logf("replica %d left within %v", i, time.Since(left).Round(time.Millisecond))
			}
		}
		if l.now.Load() != 0 || other.now.Load() != 1 {
			t.Errorf("%d lead after all left; %d in the other role", l.now.Load(), other.now.Load())
		}
	})
}

// A role is given back when its work returns, and sought again.
func TestLeadReturns(t *testing.T) {
	s := miniHarness(t).Store.(*Store)
	ctx, cancel := context.WithCancel(t.Context())
	runs := make(chan struct{}, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Lead(ctx, "acme/bot", func(context.Context) { runs <- struct{}{} })
	}()
	for range 3 {
		<-runs
	}
	cancel()
	<-done
}

// Whoever finds that another has the role ends its work, and takes nothing from the other.
func TestLeadIsLost(t *testing.T) {
	s := miniHarness(t).Store.(*Store)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := &leaders{t: t, began: make(chan int, 10)}
	ended := l.seek(ctx, s, "acme/bot", 1)
	l.next("the first")
	lock := root + "lock:" + name("acme/bot/lead")
	if err := s.rdb.Set(ctx, lock, "another's", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); l.now.Load() != 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it leads on")
		}
	}
	if got := s.rdb.Get(ctx, lock).Val(); got != "another's" {
		t.Errorf("the role is %q's", got)
	}
	cancel()
	<-ended
	if len(l.began) != 0 || s.rdb.Get(t.Context(), lock).Val() != "another's" {
		t.Error("it took the role from the other")
	}
}

// While Redis does not answer nobody can renew: the work ends before the role does in Redis, and goes on when Redis is back.
func TestLeadWhileRedisHangs(t *testing.T) {
	addr := startRedis(t)
	s, watch := open(t, Options{Addrs: []string{addr}, Timeout: 20 * time.Second}), open(t, Options{Addrs: []string{addr}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := &leaders{t: t, began: make(chan int, 10)}
	l.seek(ctx, s, "acme/bot", 1)
	l.next("the first")
	time.Sleep(leadEvery + leadEvery/2) // it has renewed
	lock := root + "lock:" + name("acme/bot/lead")
	left := watch.rdb.PTTL(ctx, lock).Val()
	asked := time.Now()
	if err := watch.rdb.Do(ctx, "CLIENT", "PAUSE", "9000", "ALL").Err(); err != nil {
		t.Fatal(err)
	}
	for l.now.Load() != 0 {
		time.Sleep(5 * time.Millisecond)
		if time.Since(asked) > 30*time.Second {
			t.Fatal("it leads on without Redis")
		}
	}
	if took := time.Since(asked); took > left {
		t.Errorf("it led for %v more, and the role ended in Redis after %v", took, left)
	} else {
		t.Logf("given up %v before the role ended in Redis", (left - took).Round(time.Millisecond))
	}
	l.next("Redis is back")
}

// TestLeaderProcess is no test: it is the process that TestLeadTakeover kills.
func TestLeaderProcess(t *testing.T) {
	addr := os.Getenv("PARLEY_TEST_LEADER")
	if addr == "" {
		t.Skip("a process of TestLeadTakeover's")
	}
	s := open(t, Options{Addrs: []string{addr}})
	s.Lead(t.Context(), "acme/bot", func(ctx context.Context) {
		_, _ = os.Stdout.WriteString("leads\n")
		<-ctx.Done()
	})
}

// A killed process's role is taken over: another's Run goes on with the platform's connection.
func TestLeadTakeover(t *testing.T) {
	addr := startRedis(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestLeaderProcess$", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), "PARLEY_TEST_LEADER="+addr)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for lines := bufio.NewScanner(out); ; {
		if !lines.Scan() {
			t.Fatal("the process ended")
		}
		if strings.Contains(lines.Text(), "leads") {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := &leaders{t: t, began: make(chan int, 10)}
	l.seek(ctx, open(t, Options{Addrs: []string{addr}}), "acme/bot", 2)
	time.Sleep(2 * leadEvery)
	if len(l.began) != 0 {
		t.Fatal("two lead")
	}
	killed := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	l.next("the leader was killed")
	took := time.Since(killed)
	t.Logf("taken over after %v", took.Round(time.Millisecond))
	if took < leadFor-leadEvery-time.Second {
		t.Errorf("taken over after %v, while it might have lived", took)
	}
	if took > 8*time.Second+10*time.Second { // 8 s are promised; the rest is a busy machine's
		t.Errorf("taken over after %v", took)
	}
}
