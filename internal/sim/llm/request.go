package llm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"parley/internal/sim"
)

// request is a call's body, as far as any vendor looks at it.
type request struct {
	Model               string    `json:"model"`
	Messages            []Message `json:"-"` // see decode
	Stream              bool      `json:"stream"`
	User                string    `json:"user"`
	UserID              string    `json:"user_id"`
	RequestID           string    `json:"request_id"`
	Temperature         *float64  `json:"temperature"`
	TopP                *float64  `json:"top_p"`
	MaxTokens           *int      `json:"max_tokens"`
	MaxCompletionTokens *int      `json:"max_completion_tokens"`
	Thinking            struct {
		Type string `json:"type"`
	} `json:"thinking"`
	StreamOptions *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`

	fields map[string]json.RawMessage // all of them, to find those that a vendor does not know
}

// maxRequest bounds a request's body, in bytes.
const maxRequest = 64 << 20

// readRequest reads to the end: only behind the body does net/http notice that the caller went away.
func readRequest(w http.ResponseWriter, r *http.Request) (*request, error) {
	body, err := readAll(http.MaxBytesReader(w, r.Body, maxRequest), r.ContentLength)
	if err != nil {
		return &request{}, err
	}
	return decode(body)
}

// readAll is io.ReadAll with room for what was announced.
func readAll(r io.Reader, size int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(min(max(0, size), maxRequest)) + bytes.MinRead)
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}

// decode reads the messages in one pass, and the small rest as encoding/json does.
func decode(body []byte) (*request, error) {
	q, s := &request{}, sim.NewScanner(body)
	var begin, end int
	err := s.Object(func(name string) (err error) {
		if name != "messages" || q.Messages != nil {
			_, err = s.Raw()
			return err
		}
		s.Next()
		begin = s.At()
		q.Messages, err = messages(s)
		end = s.At()
		return err
	})
	if err != nil || !s.End() {
		return q, cmp.Or(err, sim.ErrJSON)
	}
	rest := body
	if end > 0 {
		rest = slices.Concat(body[:begin], []byte("null"), body[end:])
	}
	if err := errors.Join(json.Unmarshal(rest, q), json.Unmarshal(rest, &q.fields)); err != nil {
		return q, err
	}
	if end > 0 {
		q.fields["messages"] = body[begin:end]
	}
	if q.Model == "" || len(q.Messages) == 0 {
		return q, errors.New("no model or no messages")
	}
	return q, nil
}

// longest is how many tokens the answer may have; 0: any number.
func (q *request) longest() int {
	for _, n := range []*int{q.MaxTokens, q.MaxCompletionTokens} {
		if n != nil {
			return *n
		}
	}
	return 0
}

// entry is what the ledger keeps of a request.
func (q *request) entry(key, app string) Entry {
	e := Entry{Key: key, AppID: app, Model: q.Model, User: q.User + q.UserID, Stream: q.Stream, Messages: len(q.Messages)}
	for _, m := range q.Messages {
		e.InputTokens += tokens(m.Content) + len(m.Images)*imageTokens
		switch m.Role {
		case "system":
			e.System = m.Content
		case "user":
			e.Earlier++
			e.Last, e.Images = m.Content, m.Images
		}
	}
	e.Earlier = max(0, e.Earlier-1)
	return e
}

// cached is how many of a request's tokens the vendor has seen before: in a conversation, all but the last message.
func (q *request) cached() int {
	n := 0
	for _, m := range q.Messages[:len(q.Messages)-1] {
		if m.Role != "system" || len(q.Messages) > 2 {
			n += tokens(m.Content)
		}
	}
	return n
}

// quote writes a string as JSON.
func quote(s string) string {
	if plain(s) {
		return `"` + s + `"`
	}
	b, _ := json.Marshal(strings.ToValidUTF8(s, "\ufffd"))
	return string(b)
}

// plain: JSON has it as it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(s)
}
