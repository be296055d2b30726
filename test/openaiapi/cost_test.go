package openaiapi

import (
	"bufio"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/test/ledger"
	"parley/test/rig"
)

var measure = flag.Duration("measure", 0, "measure what a request costs, for so long each")

// TestCost prints what /v1/ adds to a call of the model itself: it judges nothing, since the machine is another's, too.
//
//	go test ./test/openaiapi -run Cost -v -measure 15s
func TestCost(t *testing.T) {
	if *measure <= 0 {
		t.Skip("nothing is measured without -measure")
	}
	s := newStage(t, llm.Pace{First: 50 * time.Millisecond, Between: 2 * time.Millisecond, Chunks: 20})
	const rate = 50
	parley, model := "http://"+s.clients[0].Addr+"/v1", s.model.BaseURL()
	s.load(parley, true, rate, time.Second)
	for _, c := range []struct {
		what, base string
		stream     bool
	}{{"model itself, streamed", model, true}, {"through /v1/, streamed", parley, true}, {"model itself, whole", model, false}, {"through /v1/, whole", parley, false}} {
		before := s.cpu()
		first := s.load(c.base, c.stream, rate, *measure)
		after := s.cpu()
		n := len(first)
		t.Logf("%-24s %d requests at %d/s: first byte p50 %v p99 %v; CPU a request: client %v, servers %v, Redis %v", c.what, n, rate,
			first[n/2].Round(10*time.Microsecond), first[n*99/100].Round(10*time.Microsecond),
			(after[0]-before[0])/time.Duration(n), (after[1]-before[1])/time.Duration(n), (after[2]-before[2])/time.Duration(n))
	}
}

// cpu is what the first client service, all servers and Redis have used.
func (s *stage) cpu() (all [3]time.Duration) {
	all[0] = s.clients[0].Usage().CPU
	for _, n := range s.servers {
		all[1] += n.Usage().CPU
	}
	if u, err := rig.UsageOf(s.rig.Redis.PID()); err == nil {
		all[2] = u.CPU
	}
	return all
}

// load asks at a rate and gives the times to the first byte of each answer, sorted.
func (s *stage) load(base string, stream bool, rate int, d time.Duration) (first []time.Duration) {
	s.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
	body := fmt.Sprintf(`{"model":"chat","stream":%v,"messages":[{"role":"user","content":%q}]}`, stream, ledger.Question(ledger.ID{Person: "p", N: 1}))
	var mu sync.Mutex
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, base+"/chat/completions", strings.NewReader(body))
			if err != nil {
				s.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+keyOfAcme)
			began := time.Now()
			resp, err := client.Do(req)
			if err != nil {
				s.Error(err)
				return
			}
			defer resp.Body.Close()
			lines := bufio.NewReader(resp.Body)
			_, err = lines.ReadByte()
			took := time.Since(began)
			for err == nil {
				_, err = lines.ReadString('\n')
			}
			if resp.StatusCode != http.StatusOK {
				s.Error(resp.Status)
			}
			mu.Lock()
			first = append(first, took)
			mu.Unlock()
		})
	}
	wg.Wait()
	slices.Sort(first)
	return first
}
