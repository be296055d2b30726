package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"parley/test/ledger"
)

// bare asks the model directly, as cheaply as Go can.
type bare struct {
	address string
	client  *http.Client
	asked   atomic.Int64
}

func newBare(origin string) *bare {
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	return &bare{address: origin + "/v1/chat/completions", client: &http.Client{Transport: &http.Transport{Protocols: &h2c}}}
}

func (b *bare) turn(ctx context.Context, due time.Time) (first, whole time.Duration, err error) {
	id := ledger.ID{Person: "bare", N: int(b.asked.Add(1))}
	body, err := json.Marshal(map[string]any{"model": "gpt-4o-mini", "stream": true, "messages": []map[string]string{
		{"role": "system", "content": "你是公司的助手。"}, {"role": "user", "content": ledger.Question(id)},
	}})
	if err != nil {
		return 0, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.address, strings.NewReader(string(body)))
	if err != nil {
		return 0, 0, err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("the model answered %s", resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		switch line := lines.Text(); {
		case first == 0 && strings.Contains(line, `"content":"`):
			first = time.Since(due)
		case line == "data: [DONE]":
			return first, time.Since(due), nil
		}
	}
	return 0, 0, errors.Join(errors.New("the model's stream was cut"), lines.Err())
}
