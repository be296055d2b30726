package openai

import (
	"testing"
	"time"

	"parley/internal/llm"
	"parley/internal/llm/llmtest"
	simllm "parley/internal/sim/llm"
)

func TestSuite(t *testing.T) {
	for name, prior := range map[string]bool{"HTTP/1.1": false, "h2c": true} {
		t.Run(name, func(t *testing.T) {
			url, stop, err := simllm.New(simllm.Options{Pace: simllm.Pace{Between: time.Millisecond}}).Start()
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			p, err := New(llm.Endpoint{BaseURL: url + "/v1", PriorKnowledge: prior, Connect: 5 * time.Second}, llm.Dialect{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			llmtest.Run(t, p)
		})
	}
}
