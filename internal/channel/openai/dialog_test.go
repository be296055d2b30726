package openai

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley/internal/chat"
)

func png(fill int) []byte { return append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, fill)...) }

func dataURL(kind string, data []byte) string {
	return "data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)
}

func image(url string) string {
	return `{"type":"image_url","image_url":{"url":"` + url + `","detail":"low"}}`
}

func messages(list ...string) string {
	return `{"model":"chat","messages":[` + strings.Join(list, ",") + `]}`
}

func TestDialog(t *testing.T) {
	one, two := chat.Picture{Type: "image/png", Data: png(3)}, chat.Picture{Type: "image/png", Data: png(5)}
	for name, tt := range map[string]struct {
		messages []string
		want     chat.Request
	}{
		"turns": {[]string{
			`{"role":"system","content":"S"}`, `{"role":"user","content":"a"}`, `{"role":"assistant","content":"b"}`, `{"role":"user","content":"c"}`,
		}, chat.Request{System: "S", Question: "c", History: []chat.Turn{{Question: "a", Answer: "b"}}}},
		"several system messages, wherever": {[]string{
			`{"role":"developer","content":"S"}`, `{"role":"user","content":"a"}`, `{"role":"system","content":[{"type":"text","text":"T"}]}`,
		}, chat.Request{System: "S\n\nT", Question: "a"}},
		"one role in a row": {[]string{
			`{"role":"user","content":"a"}`, `{"role":"user","content":"b"}`, `{"role":"assistant","content":"c"}`, `{"role":"assistant","content":"d"}`, `{"role":"user","content":"e"}`,
			`{"role":"user","content":[{"type":"text","text":"f"},{"type":"text","text":"g"}]}`,
		}, chat.Request{Question: "e\n\nf\ng", History: []chat.Turn{{Question: "a\n\nb", Answer: "c\n\nd"}}}},
		"an answer without words": {[]string{
			`{"role":"user","content":"a"}`, `{"role":"assistant","content":""}`, `{"role":"user","content":"b"}`,
		}, chat.Request{Question: "a\n\nb"}},
		"as clients send answers back": {[]string{
			`{"role":"user","content":"a"}`,
			`{"role":"assistant","content":"b","refusal":null,"annotations":[],"audio":null,"function_call":null,"tool_calls":null}`,
			`{"role":"user","content":"c"}`, `{"role":"assistant","content":null,"refusal":"no"}`, `{"role":"user","content":"d","name":"zhang"}`,
		}, chat.Request{Question: "d", History: []chat.Turn{{Question: "a", Answer: "b"}, {Question: "c", Answer: "no"}}}},
		"pictures go with the last question": {[]string{
			`{"role":"user","content":[` + image(dataURL("image/png", one.Data)) + `]}`, `{"role":"assistant","content":"b"}`,
			`{"role":"user","content":[{"type":"text","text":"and this?"},` + image(dataURL("IMAGE/PNG", two.Data)) + `]}`,
		}, chat.Request{Question: "and this?", Images: []chat.Picture{one, two}, History: []chat.Turn{{Question: "[image]", Answer: "b"}}}},
		"a picture alone": {[]string{`{"role":"user","content":[` + image(dataURL("image/jpeg", one.Data)) + `]}`}, chat.Request{Images: []chat.Picture{one}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, f := readBody(messages(tt.messages...))
			if f != nil {
				t.Fatal(f)
			}
			tt.want.Model = "chat"
			if diff := cmp.Diff(tt.want, got.Request, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRefusedDialogs(t *testing.T) {
	user := `{"role":"user","content":"q"}`
	large := base64.StdEncoding.EncodeToString(png(chat.MaxImageBytes))
	for name, tt := range map[string]struct {
		last        string // after a question
		param, code string
		says        string
	}{
		"nothing to answer":      {`{"role":"assistant","content":"a"}`, "messages", "", "The last message must be the user's"},
		"a tool's":               {`{"role":"tool","content":"a","tool_call_id":"x"}`, "messages[1].tool_call_id", "unsupported_parameter", "not supported"},
		"a function's":           {`{"role":"function","content":"a","name":"x"}`, "messages[1].role", "", "tools"},
		"no role":                {`{"content":"a"}`, "messages[1].role", "", "none of system"},
		"another role":           {`{"role":"User","content":"a"}`, "messages[1].role", "", "none of system"},
		"a call":                 {`{"role":"assistant","content":null,"tool_calls":[{"id":"x"}]}`, "messages[1].tool_calls", "unsupported_parameter", "not supported"},
		"an unknown field":       {`{"role":"user","content":"a","mood":"good"}`, "mood", "unknown_parameter", "Unknown"},
		"empty":                  {`{"role":"user","content":""}`, "messages[1].content", "", "must not be empty"},
		"no content":             {`{"role":"user"}`, "messages[1].content", "", "must not be empty"},
		"a number":               {`{"role":"user","content":7}`, "messages[1].content", "", "expected a string or a list"},
		"sound":                  {`{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}`, "messages[1].content[0].type", "", "input_audio"},
		"a part that is none":    {`{"role":"user","content":["a"]}`, "messages[1].content[0].type", "", "not supported"},
		"a text that is none":    {`{"role":"user","content":[{"type":"text","text":7}]}`, "messages[1].content[0].text", "", "expected a string"},
		"an image without":       {`{"role":"user","content":[{"type":"image_url","image_url":"x"}]}`, "messages[1].content[0].image_url.url", "", "expected a string"},
		"an address":             {`{"role":"user","content":[` + image("http://169.254.169.254/latest") + `]}`, "messages[1].content[0].image_url.url", "", "not fetched"},
		"a file":                 {`{"role":"user","content":[` + image("file:///etc/passwd") + `]}`, "messages[1].content[0].image_url.url", "", "not fetched"},
		"no base64":              {`{"role":"user","content":[` + image("data:image/png;base64,%%%") + `]}`, "messages[1].content[0].image_url.url", "", "not valid base64"},
		"another encoding":       {`{"role":"user","content":[` + image("data:image/svg+xml,<svg/>") + `]}`, "messages[1].content[0].image_url.url", "", "in base64"},
		"a picture that is none": {`{"role":"user","content":[` + image(dataURL("image/png", []byte("<html>"))) + `]}`, "messages[1].content[0].image_url.url", "", "JPEG"},
		"a large one":            {`{"role":"user","content":[` + image("data:image/png;base64,"+large) + `]}`, "messages[1].content[0].image_url.url", "", "5 MiB"},
		"the system's":           {`{"role":"system","content":[` + image(dataURL("image/png", png(1))) + `]}`, "messages[1].content", "", "of the user"},
		"five of them": {`{"role":"user","content":[` + strings.Repeat(image(dataURL("image/png", png(1)))+",", 4) + image(dataURL("image/png", png(1))) + `]}`,
			"messages[1].content", "", "more than 4"},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, messages(user, tt.last), tt.param, tt.code, tt.says) })
	}
	refuses(t, messages(`{"role":"assistant","content":"hello"}`, user), "messages[0].role", "", "must be the user's")
	refuses(t, messages(`{"role":"system","content":"s"}`), "messages", "", "The last message must be the user's")
}
