package all_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"parley/internal/chat"
	"parley/internal/llm"
	"parley/internal/llm/all"
	simllm "parley/internal/sim/llm"
)

// follows is what an error of a provider means for the turn and for the operator.
func follows(k chat.Kind) string {
	switch k {
	case chat.RateLimited:
		return "retry after" // this key, later; at once elsewhere
	case chat.NotFound, chat.Forbidden, chat.TooLarge:
		return "retry elsewhere" // this choice never
	case chat.Overloaded, chat.Unavailable, chat.Timeout:
		return "degrade-worthy" // the provider's own trouble: elsewhere, and if it lasts, a switch
	case chat.Invalid:
		return "user's fault"
	case chat.Unauthenticated:
		return "auth"
	case chat.Billing:
		return "billing"
	case chat.Rejected:
		return "content"
	}
	return "nothing that a provider can cause: " + k.String()
}

// elsewhere: another provider may still answer the turn.
var elsewhere = map[string]bool{"retry after": true, "retry elsewhere": true, "degrade-worthy": true, "auth": true, "billing": true}

// wire is one response, byte for byte, and what follows from it.
type wire struct {
	name, want string
	response   []byte
}

func wires(t *testing.T, dialect string) (list []wire) {
	t.Helper()
	data, err := os.ReadFile("testdata/errors/" + dialect + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range txtar.Parse(data).Files {
		want, response, _ := strings.Cut(string(f.Data), "\n")
		head, body, ok := strings.Cut(response, "\n\n")
		want, said := strings.CutPrefix(want, "want: ")
		if !ok || !said || seen[f.Name] {
			t.Fatalf("%s: no response, no word of what follows, or its name twice", f.Name)
		}
		seen[f.Name] = true
		head = strings.ReplaceAll(head, "\n", "\r\n")
		list = append(list, wire{f.Name, want, []byte(head + "\r\n\r\n" + body)})
	}
	return list
}

// raw serves the same bytes to every request, and ends the connection.
func raw(t *testing.T, response []byte) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			readRequest(c)
			_, _ = c.Write(response)
			_ = c.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, c) // closing before the caller does could destroy what is on its way
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// readRequest reads the headers and as much of a body as they promise.
func readRequest(c net.Conn) {
	var got []byte
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		got = append(got, buf[:n]...)
		head, body, ok := strings.Cut(string(got), "\r\n\r\n")
		if ok {
			length := 0
			for line := range strings.SplitSeq(head, "\r\n") {
				_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
			}
			if len(body) >= length {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

var documented = []string{"openai", "chatglm", "ernie"}

// Every error of the vendors' documentation, in the bytes in which it comes: what it is taken for, and what becomes of the turn.
func TestErrors(t *testing.T) {
	total := 0
	for _, dialect := range documented {
		for _, w := range wires(t, dialect) {
			total++
			t.Run(dialect+"/"+w.name, func(t *testing.T) {
				t.Parallel()
				url := raw(t, w.response)
				p, err := all.Dialects()[dialect](llm.Endpoint{Name: "p", Dialect: dialect, BaseURL: url, Connect: 5 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(p.(interface{ Close() }).Close)
				const canary = "sk-canary-0123456789abcdef"
				_, err = p.Complete(t.Context(), llm.Call{ID: "t.1.1", Model: "m", Question: "好吗", Key: chat.NewSecret(canary)}, ignore)
				e, ok := errors.AsType[*chat.Error](err)
				if !ok {
					t.Fatalf("got %v", err)
				}
				if e.Op != dialect+".complete" {
					t.Errorf("the error is said to be of %s", e.Op)
				}
				after := ""
				if e.RetryAfter > 0 {
					after = " " + e.RetryAfter.String()
				}
				got := strings.TrimSpace(follows(e.Kind) + after + ": " + e.Kind.String() + " " + e.Code)
				if diff := cmp.Diff(w.want, got); diff != "" {
					t.Errorf("%v: %s", err, diff)
				}
				if s := err.Error(); strings.Contains(s, canary) || len(s) > 200 || strings.Contains(s, url) {
					t.Errorf("the error shows the key, the address or the provider's words: %s", s)
				}
				becomes(t, dialect, url, follows(e.Kind))
			})
		}
	}
	if total < 60 {
		t.Errorf("only %d errors", total)
	}
}

// becomes sends a turn over a service whose first choice errs so: it is answered by the second, or ends at the first.
func becomes(t *testing.T, dialect, url, word string) {
	t.Helper()
	spare, second := startSim(t, simllm.Options{})
	r := newRig(t, fmt.Sprintf("providers:\n  first: {dialect: %s, base_url: %s}\n  spare: {dialect: openai, base_url: %s/v1}\nmodels: {chat: [first/m, spare/m]}",
		dialect, url, second), nil)
	got, err := r.ask(t.Context(), chat.Request{Tenant: "t", Turn: "1", Model: "chat", Question: "好吗"})
	if elsewhere[word] {
		if err != nil || got.reply.Text != simllm.Answer(0, "好吗") || !got.reply.Fallback {
			t.Errorf("%s: got %q, %v", word, got.reply.Text, err)
		}
		return
	}
	if err == nil || follows(chat.KindOf(err)) != word || len(spare.Ledger()) != 0 {
		t.Errorf("%s: got %q, %v, and %d calls of the spare", word, got.reply.Text, err, len(spare.Ledger()))
	}
}

// Every code that a simulator can give is among the errors above, so that nothing is simulated that was not classified.
func TestSimulatedErrorsAreDocumented(t *testing.T) {
	for dialect, vendor := range map[string]simllm.Vendor{"chatglm": simllm.ChatGLM, "ernie": simllm.ERNIE} {
		known := map[string]bool{}
		for _, w := range wires(t, dialect) {
			known[w.want[strings.LastIndex(w.want, " ")+1:]] = true
		}
		for _, code := range vendor.Codes() {
			if !known[code] {
				t.Errorf("%s: the simulator's %s has no row", dialect, code)
			}
		}
	}
}
