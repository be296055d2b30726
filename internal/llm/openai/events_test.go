package openai

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/llm"
)

// line is one data line as a reader reports it.
type line struct {
	Name, Data string
	Unfinished bool
}

func readAll(r io.Reader) (lines []line, stray string, err error) {
	e := newEvents(r, nil)
	for {
		ev, err := e.next()
		if err != nil {
			return lines, e.stray.String(), err
		}
		lines = append(lines, line{ev.name, string(ev.data), ev.unfinished})
	}
}

// slowly is the reader's reference: the whole body at once, one obvious step after the other.
func slowly(body string) (lines []line, stray string) {
	body = strings.TrimPrefix(body, "\ufeff")
	all := strings.SplitAfter(body, "\n")
	name := ""
	for _, raw := range all {
		if raw == "" {
			continue
		}
		text := strings.TrimSuffix(strings.TrimSuffix(raw, "\n"), "\r")
		field, value, colon := strings.Cut(text, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case text == "":
			name = ""
		case field == "data":
			lines = append(lines, line{name, value, !strings.HasSuffix(raw, "\n")})
		case field == "event":
			name = value
		case field == "id", field == "retry", field == "" && colon:
		default:
			if len(stray)+len(text) < maxError {
				stray += text + "\n"
			}
		}
	}
	return lines, stray
}

func TestEvents(t *testing.T) {
	for name, test := range map[string]struct {
		body  string
		want  []line
		stray string
	}{
		"nothing":               {"", nil, ""},
		"one":                   {"data: a\n\n", []line{{"", "a", false}}, ""},
		"no space, two spaces":  {"data:a\ndata:  b\n", []line{{"", "a", false}, {"", " b", false}}, ""},
		"no value":              {"data:\ndata\n", []line{{"", "", false}, {"", "", false}}, ""},
		"CRLF":                  {"data: a\r\n\r\ndata: b\r\n", []line{{"", "a", false}, {"", "b", false}}, ""},
		"no end":                {"data: a\ndata: b", []line{{"", "a", false}, {"", "b", true}}, ""},
		"CR at the end":         {"data: b\r", []line{{"", "b", true}}, ""},
		"name until blank line": {"event: error\ndata: a\ndata: b\n\ndata: c\n", []line{{"error", "a", false}, {"error", "b", false}, {"", "c", false}}, ""},
		"colon in the data":     {"data: {\"a\":1}\n", []line{{"", `{"a":1}`, false}}, ""},
		"comments":              {": x\n:\n::\ndata: a\n", []line{{"", "a", false}}, ""},
		"other fields":          {"id: 1\nretry: 5\nid\ndata: a\n", []line{{"", "a", false}}, ""},
		"stray":                 {"{\n\"error\": 1}\ndatum: x\n", nil, "{\n\"error\": 1}\ndatum: x\n"},
		"BOM":                   {"\ufeffdata: a\n\ufeffdata: b\n", []line{{"", "a", false}}, "\ufeffdata: b\n"},
		"long":                  {"data: " + strings.Repeat("x", 10_000) + "\ndata: b\n", []line{{"", strings.Repeat("x", 10_000), false}, {"", "b", false}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{"whole": strings.NewReader(test.body), "by bytes": iotest.OneByteReader(strings.NewReader(test.body))} {
				lines, stray, err := readAll(r)
				if !errors.Is(err, io.EOF) {
					t.Errorf("%s: %v", how, err)
				}
				if diff := cmp.Diff(test.want, lines); diff != "" || stray != test.stray {
					t.Errorf("%s: stray %q %s", how, stray, diff)
				}
			}
			if lines, stray := slowly(test.body); !cmp.Equal(test.want, lines) || stray != test.stray {
				t.Errorf("the reference differs: %v, %q", lines, stray)
			}
		})
	}
}

// Half a line before a broken connection says nothing; half a line before a clean end may be the last.
func TestEventsBroken(t *testing.T) {
	broken := errors.New("reset")
	lines, _, err := readAll(io.MultiReader(strings.NewReader("data: a\ndata: b"), iotest.ErrReader(broken)))
	if diff := cmp.Diff([]line{{"", "a", false}}, lines); diff != "" || !errors.Is(err, broken) {
		t.Error(err, diff)
	}
}

// FuzzEvents holds the reader against its reference, whatever arrives and however it is cut.
func FuzzEvents(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 {
			return
		}
		want, stray := slowly(string(body))
		for how, r := range map[string]io.Reader{"whole": bytes.NewReader(body), "in halves": iotest.HalfReader(bytes.NewReader(body)), "by bytes": iotest.OneByteReader(bytes.NewReader(body))} {
			got, gotStray, err := readAll(r)
			if diff := cmp.Diff(want, got); diff != "" || gotStray != stray || !errors.Is(err, io.EOF) {
				t.Fatalf("%s: %v, stray %q, want %q %s", how, err, gotStray, stray, diff)
			}
		}
	})
}

// FuzzAnswer: whatever arrives, an answer is what was emitted, is not empty, and never comes without a finish_reason.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":-1,` +
		`"prompt_tokens_details":{"cached_tokens":-1},"completion_tokens_details":{"reasoning_tokens":-1}}}`))
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var emitted strings.Builder
		a := &answer{dialect: &llm.Dialect{}, cancel: func() {}, emit: func(s string) error { emitted.WriteString(s); return nil }}
		err := a.gather(bytes.NewReader(body))
		if a.text.String() != emitted.String() || a.usage.Input < 0 || a.usage.Output < 0 || a.usage.Cached < 0 || a.usage.Reasoning < 0 {
			t.Errorf("text %q, emitted %q, usage %+v", a.text.String(), emitted.String(), a.usage)
		}
		if err != nil {
			if _, ok := errors.AsType[*chat.Error](err); !ok {
				t.Fatalf("%v (%T) is no *chat.Error", err, err)
			}
			return
		}
		text := a.text.String()
		if text != emitted.String() || strings.TrimSpace(text) == "" || a.rest == nil || a.finish.Reason == "" {
			t.Errorf("success with text %q, emitted %q, finish reason %q", text, emitted.String(), a.finish.Reason)
		}
		if !bytes.Contains(bytes.ToLower(body), []byte("finish")) && !bytes.Contains(body, []byte(`\u`)) {
			t.Error("success without a finish_reason in the body")
		}
	})
}

func seeds(f *testing.F) (list [][]byte) {
	files, err := filepath.Glob("testdata/*.sse")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		list = append(list, body)
	}
	return list
}

// BenchmarkAnswer reads a stream of 100 chunks.
func BenchmarkAnswer(b *testing.B) {
	const chunks = 100
	chunk := `data: {"id":"chatcmpl-AbCdEf","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default",` +
		`"system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":"你好"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"Xy3"}` + "\n\n"
	body := []byte(strings.Repeat(chunk, chunks) + `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		a := &answer{dialect: &llm.Dialect{}, cancel: func() {}, emit: ignore}
		if err := a.gather(bytes.NewReader(body)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*chunks), "µs/chunk")
}
