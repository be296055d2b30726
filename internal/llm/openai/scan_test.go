package openai

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/llm"
)

// seenOf is all that a piece can do to an answer.
type seenOf struct {
	Text, Finish string
	Thought      bool
	Usage        any
}

func seen(s *said) seenOf {
	a := answer{dialect: &llm.Dialect{}}
	a.count(s.usage)
	return seenOf{string(s.text), s.finish, s.thought, a.usage}
}

func checkScan(t *testing.T, data []byte) (scanned bool) {
	t.Helper()
	var s said
	if !s.scan(data) {
		return false
	}
	var c chunk
	if err := json.Unmarshal(data, &c); err != nil || c.failed() {
		t.Fatalf("%s was read, encoding/json: %v, failed: %v", data, err, c.failed())
	}
	want := c.said()
	if diff := cmp.Diff(seen(&want), seen(&s)); diff != "" {
		t.Fatalf("%s: %s", data, diff)
	}
	return true
}

// What scan reads it reads as encoding/json does, with whatever vendors were seen to send.
func FuzzScan(f *testing.F) {
	files, err := filepath.Glob("testdata/*.sse")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, line := range bytes.Split(b, []byte("\n")) {
			f.Add(bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data:"))))
		}
	}
	for _, line := range bytes.Split(stream(2), []byte("\n")) {
		f.Add(bytes.TrimPrefix(line, []byte("data: ")))
	}
	for _, test := range scans {
		f.Add([]byte(test.data))
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkScan(t, bytes.TrimSpace(data)) })
}

var scans = []struct {
	data    string
	scanned bool
}{
	{`{"choices":[{"index":0,"delta":{"content":"好\n\"\\\/\u4f60"},"finish_reason":null}],"usage":null}`, true},
	{` { "choices" : [ { "delta" : { "content" : "a" } , "flag" : 0 } ] } `, true},
	{`{"choices":[{"delta":{"reasoning_content":"想\n"},"finish_reason":"stop"}],"error":null,"extra":{"a":[1,"b",null,true,{}]}}`, true},
	{`{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":2}}}`, true},
	{`{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":1}}}`, true},
	{`{"choices":null}`, false},
	{`{"Choices":[]}`, false},
	{`{"choices":[{"index":1,"delta":{"content":"a"}}]}`, false},
	{`{"choices":[{"index":0},{"index":0}]}`, false},
	{`{"choices":[{"delta":{"content":"a","content":"b"}}]}`, false},
	{`{"choices":[{"delta":{"content":"a","CONTENT":"b"}}]}`, false},
	{`{"choices":[{"delta":{"content":"\ud83d\ude00"}}]}`, false},
	{"{\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}", false},
	{`{"choices":[{"delta":{"refusal":"no"}}]}`, false},
	{`{"choices":[{"delta":{"content":"a"}}],}`, false},
	{`{"choices":[{"delta":{"content":"a"}},]}`, false},
	{`{"choices":[{"delta":{"content":"a"}}]} x`, false},
	{`{"created":00,"choices":[]}`, false},
	{`{"error":{"code":1}}`, false},
	{`{"id":1,"choices":[]}`, false},
	{`{"usage":{"prompt_tokens":-7}}`, false},
	{`{"usage":{"prompt_tokens":7,"prompt_tokens":null}}`, false},
	{`{"usage":{"prompt_tokens":7,"prompt_tokens_details":{"cached_tokens":7,"cached_tokens":null}}}`, false},
	{`{"deep":[[[[[[[[[[1]]]]]]]]]]}`, false},
	{`{"choices":[{"delta":{"content":"a`, false},
	{`{`, false},
	{``, false},
}

func TestScan(t *testing.T) {
	for _, test := range scans {
		if got := checkScan(t, bytes.TrimSpace([]byte(test.data))); got != test.scanned {
			t.Errorf("%s: scanned is %v", test.data, got)
		}
	}
	// Pieces of the usual form are never left to encoding/json.
	for _, line := range bytes.Split(stream(3), []byte("\n")) {
		data, ok := bytes.CutPrefix(line, []byte("data: {"))
		if ok && !checkScan(t, append([]byte("{"), data...)) {
			t.Errorf("%s was not scanned", line)
		}
	}
}
