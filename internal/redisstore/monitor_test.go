package redisstore

import (
	"bufio"
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// monitor reads all that Redis executes, as MONITOR tells it.
type monitor struct {
	t     *testing.T
	owner map[string]string // by the address of its connection, from the first key that came over it: a store has one tenant here
	conn  net.Conn
	ended chan struct{}

	commands, scripted, keys int
}

func (m *monitor) start(addr string) {
	m.t.Helper()
	var err error
	if m.conn, err = new(net.Dialer).DialContext(m.t.Context(), "tcp", addr); err != nil {
		m.t.Fatal(err)
	}
	lines := bufio.NewReaderSize(m.conn, 1<<20)
	if _, err := m.conn.Write([]byte("MONITOR\r\n")); err != nil {
		m.t.Fatal(err)
	}
	if ok, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(ok, "+OK") {
		m.t.Fatalf("MONITOR: %q, %v", ok, err)
	}
	m.ended = make(chan struct{})
	go func() {
		defer close(m.ended)
		for who := ""; ; {
			line, err := lines.ReadString('\n')
			if err != nil || strings.Contains(line, lastWord) {
				return
			}
			who = m.look(line, who)
		}
	}()
}

// lastWord is what the last command says.
const lastWord = "this is all"

func (m *monitor) finish(s *Store) {
	m.t.Helper()
	defer m.conn.Close()
	if err := s.rdb.(*redis.Client).Echo(context.Background(), lastWord).Err(); err != nil {
		m.t.Fatal(err)
	}
	select {
	case <-m.ended:
	case <-time.After(5 * time.Minute):
		m.t.Fatal("MONITOR does not come to its end")
	}
}

// keyless are commands without a key. What is published goes to a channel, whose name is judged as a key's.
var keyless = map[string]bool{"ping": true, "hello": true, "client": true, "info": true, "script": true, "select": true, "time": true, "echo": true}

// look judges a line: +TIME [DB WHO] "COMMAND" "ARGUMENT"…, where WHO is lua within a script of whoever came before.
func (m *monitor) look(line, before string) (who string) {
	_, rest, _ := strings.Cut(line, " [")
	head, rest, ok := strings.Cut(rest, "] ")
	_, who, _ = strings.Cut(head, " ")
	args := words(rest)
	if !ok || len(args) == 0 {
		m.t.Errorf("a line of MONITOR that nobody understands: %q", line)
		return before
	}
	m.commands++
	if who == "lua" {
		who = before
		m.scripted++
	}
	keys := args[1:min(2, len(args))]
	switch command := strings.ToLower(args[0]); {
	case keyless[command]:
		return who
	case strings.HasPrefix(command, "eval"):
		n, _ := strconv.Atoi(args[2])
		keys = args[3 : 3+n]
	case command == "exists", command == "del":
		keys = args[1:]
	}
	if m.owner[who] == "" && len(keys) > 0 {
		m.owner[who] = tenantOf(keys[0])
	}
	tenant := m.owner[who]
	for _, k := range keys {
		m.keys++
		if tenant == "" || !own(tenant, k) {
			m.t.Errorf("%s (%s) touches %q: %.300s", tenant, who, k, line)
		}
	}
	return who
}

// tenantOf is whose key it seems to be.
func tenantOf(key string) string {
	rest := strings.TrimPrefix(key, root)
	for _, p := range []string{"{", "token:", "lock:", "memo:", "pace:", "relay:", "stop:"} {
		if after, ok := strings.CutPrefix(rest, p); ok {
			return after[:max(0, strings.IndexAny(after, ":}%"))]
		}
	}
	return ""
}

// own: a tenant's keys are its shards', its budget's, its seats', and what its channels keep; its stop commands have a channel.
func own(tenant, key string) bool {
	shard, ok := strings.CutPrefix(key, root+"{"+tenant+":")
	if ok && len(shard) >= 4 && strings.HasPrefix(shard[2:], "}:") && strings.Trim(shard[:2], "0123456789") == "" {
		return true
	}
	for _, p := range []string{"{" + tenant + "}:budget:", "{" + tenant + "}:seats:", "token:" + tenant + "%2F", "lock:" + tenant + "%2F",
		"memo:" + tenant + "%2F", "pace:" + tenant + "%2F", "relay:" + tenant + "%2F", "stop:" + tenant + ":"} {
		if strings.HasPrefix(key, root+p) {
			return true
		}
	}
	return false
}

func words(s string) (out []string) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimPrefix(s, " ") {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return nil
		}
		w, err := strconv.Unquote(quoted)
		if err != nil {
			return nil
		}
		out, s = append(out, w), s[len(quoted):]
	}
	return out
}
