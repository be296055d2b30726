package observability

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"parley/internal/sim/wecom"
)

// traffic is people who write all the time and programs that ask for every class of model, whatever they are answered.
func (s *stage) traffic() {
	ctx, stop := context.WithCancel(s.ctx)
	var wg sync.WaitGroup
	s.Cleanup(func() { stop(); wg.Wait() })
	began := time.Now().UnixNano()
	each := func(every time.Duration, do func(n int)) {
		wg.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					wg.Go(func() { do(n) })
				}
			}
		})
	}
	for name, app := range map[string]wecom.App{"app": s.company.App, "second": s.second} {
		address := "http://" + s.client.Addr + "/callback/acme/" + name
		each(300*time.Millisecond, func(n int) {
			query, body, err := wecom.Seal(app, wecom.Message{
				User: fmt.Sprint("person", n%20), Type: "text", Text: "what is the time", ID: strconv.FormatInt(began+int64(n), 10), CreatedAt: time.Now(),
			}, time.Now())
			if err == nil {
				post(ctx, address+"?"+query.Encode(), "text/xml", "", body)
			}
		})
	}
	for _, class := range []string{"chat", "broken", "poor", "refused", "own", "failing"} {
		body := fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"user","content":"what is the time"}]}`, class)
		each(400*time.Millisecond, func(int) {
			post(ctx, "http://"+s.client.Addr+"/v1/chat/completions", "application/json", s.company.APIKey, body)
		})
	}
}

// post does not care for the answer.
func post(ctx context.Context, address, kind, key string, body []byte) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", kind)
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}
