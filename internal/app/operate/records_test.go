package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/redisstore"
)

// broken is an output that takes so many writes, and then none.
type broken struct{ left int }

var errBroken = errors.New("the pipe is broken")

func (b *broken) Write(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

// TestExportRecords: every record comes out once as long as nothing breaks, and none is left out when something does.
func TestExportRecords(t *testing.T) {
	mr := miniredis.RunT(t)
	file, state := auditFile(t, mr.Addr()), filepath.Join(t.TempDir(), "state")
	store, err := redisstore.New(redisstore.Options{Addrs: []string{mr.Addr()}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	store.KeepRecords(redisstore.RecordOptions{Keep: 24 * time.Hour})
	fence := int64(0)
	spend := func(n int) {
		t.Helper()
		for range n {
			fence++
			s := chat.Spend{Provider: "a", Model: "one", Usage: chat.Usage{Input: int(fence)}, For: chat.Errand{Turn: "t", At: time.Now()}}
			c := conversation.Claim{Shard: conversation.Shard{Tenant: "acme", Index: int(fence) % 4}, Fence: fence}
			if err := store.Spend(t.Context(), c, "u", []chat.Spend{s}); err != nil {
				t.Fatal(err)
			}
		}
	}
	seen := map[string]int{}
	read := func(out string) (n int) {
		t.Helper()
		for line := range strings.Lines(out) {
			var r conversation.CallRecord
			if line == "\n" { // before the first of each run
				continue
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			seen[r.ID] = r.Input
			n++
		}
		return n
	}
	export := func(w io.Writer) error {
		return ExportRecords(t.Context(), wire.Env{Stdout: w, Stderr: io.Discard}, file, RecordsOptions{State: state})
	}
	spend(40)
	var out bytes.Buffer
	if err := errors.Join(export(&out), export(&out)); err != nil {
		t.Fatal(err)
	}
	if n := read(out.String()); n != 40 {
		t.Errorf("%d lines of 40 records", n)
	}
	spend(40)
	if err := export(&broken{left: 2}); !errors.Is(err, errBroken) { // two shards were written
		t.Error("over a broken pipe:", err)
	}
	out.Reset()
	if err := export(&out); err != nil {
		t.Fatal(err)
	}
	if n := read(out.String()); n != 20 {
		t.Errorf("%d lines after the break, want those of the two shards that were not written", n)
	}
	if err := os.Remove(state); err != nil { // killed before it was written: all again, under the same ids
		t.Fatal(err)
	}
	out.Reset()
	if err := export(&out); err != nil {
		t.Fatal(err)
	}
	if n := read(out.String()); n != 80 || len(seen) != 80 {
		t.Errorf("%d lines, %d records; there are 80", n, len(seen))
	}
	sum := 0
	for _, n := range seen {
		sum += n
	}
	if u, err := store.Usage(t.Context(), "acme", conversation.DayOf(time.Now())); err != nil || u.Items[0].Input != sum {
		t.Errorf("%v: %+v, records say %d", err, u.Items, sum)
	}
	if err := os.WriteFile(state, []byte("what is this"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := export(io.Discard); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Error("a state that is none:", err)
	}
}

// TestExportFollows: what comes while it runs is written, too, also after Redis was away.
func TestExportFollows(t *testing.T) {
	mr := miniredis.RunT(t)
	file, state := auditFile(t, mr.Addr()), filepath.Join(t.TempDir(), "state")
	store, err := redisstore.New(redisstore.Options{Addrs: []string{mr.Addr()}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	store.KeepRecords(redisstore.RecordOptions{Keep: 24 * time.Hour})
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- ExportRecords(ctx, wire.Env{Stdout: w, Stderr: io.Discard}, file, RecordsOptions{State: state, Follow: true})
		w.Close()
	}()
	lines := json.NewDecoder(r)
	for i := range 3 {
		if i == 2 {
			mr.SetError("LOADING")
			time.Sleep(2 * followEvery)
			mr.SetError("")
		}
		c := conversation.Claim{Shard: conversation.Shard{Tenant: "acme"}, Fence: int64(i + 1)}
		if err := store.Spend(t.Context(), c, "u", []chat.Spend{{Provider: "a", Model: "one", Usage: chat.Usage{Input: i + 1}}}); err != nil {
			t.Fatal(err)
		}
		var got conversation.CallRecord
		if err := lines.Decode(&got); err != nil || got.Input != i+1 {
			t.Fatalf("%v: %+v", err, got)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// torn is a file that its writer is killed at after some bytes.
type torn struct {
	file *bytes.Buffer
	left int
}

func (f *torn) Write(b []byte) (int, error) {
	whole := len(b)
	if f.left -= whole; f.left < 0 {
		b = b[:max(0, whole+f.left)]
	}
	f.file.Write(b)
	if f.left < 0 {
		return len(b), errBroken
	}
	return whole, nil
}

// TestExportThatIsKilled: however often, and in the midst of a line, what was written to one file is, without repetitions, exactly what was spent.
func TestExportThatIsKilled(t *testing.T) {
	mr := miniredis.RunT(t)
	file, state := auditFile(t, mr.Addr()), filepath.Join(t.TempDir(), "state")
	store, err := redisstore.New(redisstore.Options{Addrs: []string{mr.Addr()}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	store.KeepRecords(redisstore.RecordOptions{Keep: 24 * time.Hour})
	dice := rand.New(rand.NewPCG(1, 2))
	fence, kills := int64(0), 0
	var out bytes.Buffer
	export := func(w io.Writer) error {
		return ExportRecords(t.Context(), wire.Env{Stdout: w, Stderr: io.Discard}, file, RecordsOptions{State: state})
	}
	for range 40 {
		for range dice.IntN(30) {
			fence++
			s := chat.Spend{Provider: "a", Model: "one", Usage: chat.Usage{Input: 1 + dice.IntN(99), Output: dice.IntN(9)}, For: chat.Errand{Turn: "t", At: time.Now()}}
			c := conversation.Claim{Shard: conversation.Shard{Tenant: "acme", Index: dice.IntN(16)}, Fence: fence}
			if err := store.Spend(t.Context(), c, "u", []chat.Spend{s}); err != nil {
				t.Fatal(err)
			}
		}
		if err := export(&torn{&out, dice.IntN(6000)}); errors.Is(err, errBroken) {
			kills++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := export(&out); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var sum conversation.Tokens
	for line := range strings.Lines(out.String()) {
		var r conversation.CallRecord
		if json.Unmarshal([]byte(line), &r) == nil && r.ID != "" && !seen[r.ID] { // as a company's billing reads it
			seen[r.ID] = true
			sum = sum.Plus(conversation.Tokens{Calls: 1, Input: r.Input, Cached: r.Cached, Output: r.Output, Reasoning: r.Reasoning})
		}
	}
	u, err := store.Usage(t.Context(), "acme", conversation.DayOf(time.Now()))
	if want, _ := u.Total(); err != nil || sum != want {
		t.Errorf("records sum up to %+v, usage to %+v, %v", sum, want, err)
	}
	if kills < 5 {
		t.Errorf("%d kills: nothing was put to the test", kills)
	}
}
