package fleet

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// provider answers chat completions and counts those that run, by the server that asks: each has a path of its own. A server that is to be
// killed is taken out of the count first, in the same moment in which its calls end.
type provider struct {
	*httptest.Server
	length func() time.Duration

	mu      sync.Mutex
	running map[string]int
	dead    map[string]bool
	most    int
	total   int
	begun   time.Time     // of the last call
	pause   time.Duration // the longest time without a new call
	rests   bool          // the next call is refused for its rate
}

func newProvider(t *testing.T, length func() time.Duration) *provider {
	p := &provider{length: length, running: map[string]int{}, dead: map[string]bool{}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
	})
	return p
}

// ServeHTTP counts a call until the moment before its answer is complete: the server may begin the next one as soon as it has read that.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	server := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")[0]
	if p.begin(server) {
		w.Header().Set("Retry-After", strconv.Itoa(int(restFor.Seconds())))
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	chunk(w, `{"content":"hello"}`, "null")
	_ = http.NewResponseController(w).Flush()
	select {
	case <-time.After(p.length()):
	case <-r.Context().Done():
	}
	p.end(server)
	chunk(w, `{}`, `"stop"`)
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}

func chunk(w io.Writer, delta, finish string) {
	fmt.Fprintf(w, "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":%s}]}\n\n", delta, finish)
}

// restFor is what a refused call is told to wait.
const restFor = 9 * time.Second

func (p *provider) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rests = true
}

func (p *provider) peek() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

// begin counts a call, or says that it is refused.
func (p *provider) begin(server string) (refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rests {
		p.rests = false
		return true
	}
	p.running[server]++
	sum := 0
	for name, n := range p.running {
		if !p.dead[name] {
			sum += n
		}
	}
	p.most = max(p.most, sum)
	p.total++
	now := time.Now()
	if !p.begun.IsZero() {
		p.pause = max(p.pause, now.Sub(p.begun))
	}
	p.begun = now
	return false
}

func (p *provider) end(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[server]--
}

// bury takes a server out of the count.
func (p *provider) bury(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead[server] = true
}

// figures are what was seen since the last look.
type figures struct {
	most, total int
	pause       time.Duration
}

func (p *provider) look() figures {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := figures{p.most, p.total, p.pause}
	p.most, p.total, p.pause, p.begun = 0, 0, 0, time.Time{}
	return f
}
