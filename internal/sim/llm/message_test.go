package llm

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"parley/internal/sim"
)

func TestMessage(t *testing.T) {
	gif := base64.StdEncoding.EncodeToString([]byte("GIF89a;"))
	picture := func(url string) string { return `{"type":"image_url","image_url":{"url":"` + url + `"}}` }
	for name, tc := range map[string]struct {
		content string
		want    Message
		refused string
	}{
		"a text":                 {`"hi"`, Message{Role: "user", Content: "hi"}, ""},
		"none":                   {`null`, Message{Role: "user"}, ""},
		"parts of text":          {`[{"type":"text","text":"a"},{"type":"text","text":"b"}]`, Message{Role: "user", Content: "ab"}, ""},
		"a picture":              {`[` + picture("data:image/gif;base64,"+gif) + `]`, Message{Role: "user", Images: []Image{{"image/gif", 7}}}, ""},
		"another type":           {`[` + picture("data:image/png;base64,"+gif) + `]`, Message{}, "is image/gif"},
		"no picture":             {`[` + picture("data:text/plain;base64,aGk=") + `]`, Message{}, "is text/plain"},
		"an address":             {`[` + picture("https://example.com/a.gif") + `]`, Message{}, "no data: URL"},
		"base64 that is broken":  {`[` + picture("data:image/gif;base64,R0lG*") + `]`, Message{}, "no data: URL"},
		"too large":              {`[` + picture("data:image/gif;base64,"+base64.StdEncoding.EncodeToString([]byte("GIF89a"+strings.Repeat("x", maxImage)))) + `]`, Message{}, "bytes"},
		"a part of another sort": {`[{"type":"input_audio"}]`, Message{}, "of type"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readMessage(`{"role":"user","content":` + tc.content + `}`)
			if tc.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tc.refused) {
					t.Errorf("got %v, want %q", err, tc.refused)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
	if _, err := readMessage(`{"role":"system","content":[` + picture("data:image/gif;base64,"+gif) + `]}`); err == nil {
		t.Error("a system prompt with a picture")
	}
}

func readMessage(raw string) (Message, error) { return message(sim.NewScanner([]byte(raw))) }

// FuzzDecode: what the scanner makes of a request is what encoding/json makes of it.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		question("a\"\\\n\u00e9\U0001F600 <b>", true), `{"model":"m","messages":[{"role":"user","content":"\ud83d\ude00\/\t"}]}`,
		`{"messages":[{"role":"user","content":"a","x":[1,{"y":-1.5e3}]}],"model":"m"}`, `{"model":"m","messages":[{"role":"user","content":"a"}]`,
		`{"model":"m","messages":[{"role":"user","content":"a\x"}]}`, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\nb\"}]}",
		`{"model":"m","messages":[{"role":"user","content":"a"},]}`, `{"model":"m","messages":[{"role":"user","content":"a\"}]}`, `{} {}`, `{"a":01}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := decode([]byte(raw))
		var want struct {
			Model    string `json:"model"`
			Messages []struct {
				Role    string `json:"role"`
				Content string `json:"content"`
			} `json:"messages"`
		}
		if werr := json.Unmarshal([]byte(raw), &want); werr != nil {
			if !json.Valid([]byte(raw)) && err == nil {
				t.Errorf("%q passes as JSON", raw)
			}
			return
		}
		if err != nil || q.Model != want.Model || len(q.Messages) != len(want.Messages) {
			return // names in other cases, values of other types, none at all
		}
		for i, m := range q.Messages {
			if w := want.Messages[i]; utf8.ValidString(raw) && (m.Role != w.Role || m.Content != w.Content) {
				t.Errorf("%q: message %d is %+v, want %+v", raw, i, m, w)
			}
		}
	})
}
