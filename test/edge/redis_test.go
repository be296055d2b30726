package edge

import (
	"bufio"
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// call is a command that Redis executed, for a client or within a client's script.
type call struct {
	script bool // called by the script before it
	args   []string
}

// step is what a client sent, and what its script called.
type step struct {
	sent  []string
	calls [][]string
}

// trace is all that Redis executes, from MONITOR.
type trace struct {
	mu    sync.Mutex
	calls []call
	bad   []string
}

// record writes down all commands until the test ends.
func record(ctx context.Context, t *testing.T, addr string) *trace {
	t.Helper()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Write([]byte("MONITOR\r\n")); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(c)
	if ok, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(ok, "+OK") {
		t.Fatalf("MONITOR: %q, %v", ok, err)
	}
	tr := &trace{}
	go func() {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			one, ok := parseCall(line)
			tr.mu.Lock()
			if ok {
				tr.calls = append(tr.calls, one)
			} else {
				tr.bad = append(tr.bad, line)
			}
			tr.mu.Unlock()
		}
	}()
	return tr
}

// parseCall reads a line of MONITOR: +TIME [DB WHO] "COMMAND" "ARGUMENT"…, where WHO is lua within a script.
func parseCall(line string) (c call, ok bool) {
	_, rest, found := strings.Cut(line, " [")
	who, rest, closed := strings.Cut(rest, "] ")
	if !found || !closed {
		return c, false
	}
	c.script = strings.HasSuffix(who, " lua")
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimPrefix(rest, " ") {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return c, false
		}
		arg, err := strconv.Unquote(quoted)
		if err != nil {
			return c, false
		}
		c.args, rest = append(c.args, arg), rest[len(quoted):]
	}
	return c, len(c.args) > 0
}

// steps are the calls so far, those of scripts with what ran the script. Redis shows a script before what it calls.
func (tr *trace) steps(t *testing.T) (out []step) {
	t.Helper()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.bad) > 0 {
		t.Fatalf("lines of MONITOR that nobody understands: %q", tr.bad[0])
	}
	for _, c := range tr.calls {
		if !c.script {
			out = append(out, step{sent: c.args})
			continue
		}
		if len(out) == 0 || !strings.HasPrefix(strings.ToLower(out[len(out)-1].sent[0]), "eval") {
			t.Fatalf("a script's call without a script: %q", c.args)
		}
		s := &out[len(out)-1]
		s.calls = append(s.calls, c.args)
	}
	return out
}

// keyless are commands without a key.
var keyless = map[string]bool{
	"ping": true, "hello": true, "auth": true, "client": true, "info": true, "script": true, "select": true, "time": true, "publish": true,
	"subscribe": true, "unsubscribe": true, "command": true, "scan": true,
}

// keys are the keys that a step names. All commands of Parley have one key, as their first argument.
func (s step) keys() (keys []string) {
	switch name := strings.ToLower(s.sent[0]); {
	case strings.HasPrefix(name, "eval"):
		n, _ := strconv.Atoi(s.sent[2])
		keys = append(keys, s.sent[3:3+n]...)
	case !keyless[name]:
		keys = append(keys, s.sent[1])
	}
	for _, c := range s.calls {
		if !keyless[strings.ToLower(c[0])] {
			keys = append(keys, c[1])
		}
	}
	return keys
}

func TestParseCall(t *testing.T) {
	for _, tt := range []struct {
		line   string
		script bool
		args   string
		ok     bool
	}{
		{`+1.2 [0 127.0.0.1:5] "get" "k"` + "\r\n", false, "get|k", true},
		{`+1.2 [0 lua] "SET" "a b" "\"\\\x00\n"` + "\r\n", true, "SET|a b|\"\\\x00\n", true},
		{"+OK\r\n", false, "", false},
		{`+1.2 [0 lua] "SET` + "\r\n", true, "", false},
	} {
		c, ok := parseCall(tt.line)
		if got := strings.Join(c.args, "|"); ok != tt.ok || c.script != tt.script || got != tt.args {
			t.Errorf("%q: %v %q %v", tt.line, c.script, got, ok)
		}
	}
	if got := (step{sent: []string{"EVALSHA", "x", "1", "k"}, calls: [][]string{{"TIME"}, {"HGET", "h", "f"}}}).keys(); strings.Join(got, " ") != "k h" {
		t.Errorf("keys %q", got)
	}
}
