package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"parley/test/ledger"
)

// asker asks an OpenAI-compatible API directly, as cheaply as Go can, and looks whether the answer is its question's.
type asker struct {
	address, key, model string
	client              *http.Client
	asked               atomic.Int64
}

// newBare asks the model itself over h2c, as Parley's servers do.
func newBare(origin string) *asker {
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	return &asker{address: origin + "/v1/chat/completions", model: "gpt-4o-mini", client: &http.Client{Transport: &http.Transport{Protocols: &h2c}}}
}

// newAsker asks over HTTP/1.1, as programs do.
func newAsker(origin, key, model string) *asker {
	return &asker{address: origin + "/v1/chat/completions", key: key, model: model,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}}
}

// turn is a streamed answer.
func (b *asker) turn(ctx context.Context, due time.Time) (first, whole time.Duration, err error) {
	return b.ask(ctx, due, true)
}

// ask gives how long after due the first text came, and the end; without a stream both are one.
func (b *asker) ask(ctx context.Context, due time.Time, stream bool) (first, whole time.Duration, err error) {
	id := ledger.ID{Person: "bare", N: int(b.asked.Add(1))}
	body, err := json.Marshal(map[string]any{"model": b.model, "stream": stream, "messages": []map[string]string{
		{"role": "system", "content": "你是公司的助手。"}, {"role": "user", "content": ledger.Question(id)},
	}})
	if err != nil {
		return 0, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.address, bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if b.key != "" {
		req.Header.Set("Authorization", "Bearer "+b.key)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return 0, 0, fmt.Errorf("answered %s: %s", resp.Status, said)
	}
	var text string
	if stream {
		text, first, err = readStream(resp.Body, due)
	} else {
		text, err = contentOf(resp.Body)
	}
	whole = time.Since(due)
	if !stream {
		first = whole
	}
	if got, ok := ledger.Answered(text); err == nil && (!ok || got != id) {
		err = fmt.Errorf("%s was answered %q", id, text)
	}
	return first, whole, err
}

// readStream reads a stream to its [DONE].
func readStream(body io.Reader, due time.Time) (text string, first time.Duration, err error) {
	var all strings.Builder
	for lines := bufio.NewScanner(body); lines.Scan(); {
		line := lines.Bytes()
		if string(line) == "data: [DONE]" {
			return all.String(), first, nil
		}
		if piece := content(line); len(piece) > 0 {
			if first == 0 {
				first = time.Since(due)
			}
			all.Write(piece)
		}
	}
	return all.String(), first, errors.New("the stream was cut")
}

// content finds the text of a chunk or an answer. It is for the ledger's frames alone, which hold nothing that JSON escapes.
func content(raw []byte) []byte {
	_, rest, _ := bytes.Cut(raw, []byte(`"content":"`))
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	return text
}

func contentOf(body io.Reader) (string, error) {
	raw, err := io.ReadAll(body)
	return string(content(raw)), err
}
