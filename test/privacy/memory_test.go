package privacy

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/internal/sim/wecom"
)

// TestMemoryBound: at 80 % of Redis's memory messages get a 503 within 2 s and nothing is lost; what was accepted is answered, also when Redis is
// quite full; with room again messages are accepted.
func TestMemoryBound(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s := newStage(ctx, t)
	const most = 64 << 20
	s.must(s.redis.ConfigSet(ctx, "maxmemory", fmt.Sprint(most)).Err())
	s.must(s.redis.ConfigSet(ctx, "maxmemory-policy", "noeviction").Err())
	s.say(ctx, "zhang", "你好", 1)
	s.must(s.model.SetPace(ctx, llm.Pace{First: 20 * time.Second, Chunks: 2}))
	for i := range 20 {
		s.post(ctx, fmt.Sprint("early", i), "在满之前")
	}
	s.asked(ctx, 20)

	s.fill(ctx, .85)
	full := time.Now()
	refused := s.sealed("7001", "late")
	s.eventually(ctx, "callbacks are refused", func() string {
		if status := s.deliver(ctx, s.sealed(fmt.Sprint(8000+time.Since(full).Milliseconds()), "probe")); status != http.StatusServiceUnavailable {
			return fmt.Sprint("status ", status)
		}
		return ""
	})
	closed := time.Since(full)
	t.Logf("closed after %s", closed.Round(time.Millisecond))
	if closed > 10*time.Second { // half a second on a machine that has the time
		t.Errorf("callbacks were accepted for %s after Redis was at 85 %%", closed)
	}
	if status := s.deliver(ctx, refused); status != http.StatusServiceUnavailable {
		t.Errorf("a callback got %d", status)
	}
	m, err := s.client.Metrics(ctx)
	s.must(err)
	if m.Sum("parley_redis_memory_ratio") < .8 || m.Sum("parley_redis_memory_closed") != 1 || m.Sum("parley_redis_memory_refused_total") < 2 {
		t.Errorf("metrics: ratio %v, closed %v, refused %v", m.Sum("parley_redis_memory_ratio"), m.Sum("parley_redis_memory_closed"), m.Sum("parley_redis_memory_refused_total"))
	}
	s.fill(ctx, 1.1) // quite full: whatever needs memory in the ordinary way is refused
	if err := s.redis.Set(ctx, "more", "x", 0).Err(); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Fatalf("Redis is not quite full: %v", err)
	}
	for i := range 20 {
		if got := s.await(ctx, fmt.Sprint("early", i), 1)[0].Content; strings.Contains(got, "抱歉") {
			t.Errorf("early%d was told %s", i, got)
		}
	}
	t.Logf("all that was accepted was answered %s after Redis was full", time.Since(full).Round(time.Millisecond))
	if n := len(s.company.Sim.Shown(s.company.App.Ref, "late")); n != 0 {
		t.Errorf("a refused message was answered %d times", n)
	}

	s.must(s.redis.Del(ctx, "ballast").Err())
	freed := time.Now()
	s.eventually(ctx, "callbacks are accepted again", func() string { // the platform delivers the refused one again
		if status := s.deliver(ctx, refused); status != http.StatusOK {
			return fmt.Sprint("status ", status)
		}
		return ""
	})
	t.Logf("open again after %s", time.Since(freed).Round(time.Millisecond))
	s.await(ctx, "late", 1)
	log, err := s.clientLog()
	s.must(err)
	if n := strings.Count(log, "nearly full"); n != 1 {
		t.Errorf("the log tells %d times that Redis is nearly full", n)
	}
}

// fill brings Redis's memory to a share of its maximum.
func (s *stage) fill(ctx context.Context, share float64) {
	s.Helper()
	for {
		used, err := s.redis.InfoMap(ctx, "memory").Result()
		s.must(err)
		var now, most int64
		_, _ = fmt.Sscan(used["Memory"]["used_memory"], &now)
		_, _ = fmt.Sscan(used["Memory"]["maxmemory"], &most)
		if float64(now) >= share*float64(most) {
			return
		}
		if err := s.redis.Append(ctx, "ballast", strings.Repeat("x", 1<<20)).Err(); err != nil {
			if strings.Contains(err.Error(), "OOM") && share >= 1 {
				return
			}
			s.Fatal(err)
		}
	}
}

// sealed is a delivery of a message as the platform makes it.
func (s *stage) sealed(id, user string) *http.Request {
	s.Helper()
	query, body, err := wecom.Seal(s.company.App, wecom.Message{User: user, Type: "text", Text: "你好", ID: id, CreatedAt: time.Now()}, time.Now())
	s.must(err)
	req, err := http.NewRequest(http.MethodPost, "http://"+s.client.Addr+"/callback/"+s.company.Tenant+"/app?"+query.Encode(), bytes.NewReader(body))
	s.must(err)
	return req
}

func (s *stage) deliver(ctx context.Context, req *http.Request) int {
	s.Helper()
	again := req.Clone(ctx)
	var err error
	again.Body, err = req.GetBody()
	s.must(err)
	resp, err := http.DefaultClient.Do(again)
	s.must(err)
	resp.Body.Close()
	return resp.StatusCode
}
