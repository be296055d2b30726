package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"parley/internal/sim/llm"
)

// Model is a simulated OpenAI-compatible API in a process of its own. Its answers are ledger.Answer's.
type Model struct {
	*Process
	Origin string // http://host:port; chat completions are below /v1
}

// StartModel starts the simulator at the given pace and publishes routes that lead to it over h2c.
func (r *Rig) StartModel(ctx context.Context, pace llm.Pace) (*Model, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	m := &Model{Origin: "http://" + addr}
	if m.Process, err = r.spawn("llmsim", nil, r.llmsim, "-listen", addr); err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := m.waitFor(ready, "ready", func(ctx context.Context) error { _, err := m.Stats(ctx); return err }); err != nil {
		return nil, err
	}
	if err := m.SetPace(ctx, pace); err != nil {
		return nil, err
	}
	return m, r.Publish(ctx, "parley-routes", fmt.Sprintf(`providers:
  openai: {dialect: openai, base_url: %s/v1, key: env:OPENAI_API_KEY, http2: prior-knowledge}
models:
  chat: [openai/gpt-4o-mini]
`, m.Origin))
}

// SetPace changes the pace of later answers.
func (m *Model) SetPace(ctx context.Context, p llm.Pace) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, m.Origin+"/_sim/pace", bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := do(req)
	if err != nil {
		return err
	}
	return answer.Close()
}

// Stats counts the requests so far.
func (m *Model) Stats(ctx context.Context) (llm.Stats, error) {
	var s llm.Stats
	body, err := get(ctx, m.Origin+"/_sim/stats")
	if err != nil {
		return s, err
	}
	defer body.Close()
	return s, json.NewDecoder(body).Decode(&s)
}
