package llm

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
			var got Message
			err := json.Unmarshal([]byte(`{"role":"user","content":`+tc.content+`}`), &got)
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
	var m Message
	if err := json.Unmarshal([]byte(`{"role":"system","content":[`+picture("data:image/gif;base64,"+gif)+`]}`), &m); err == nil {
		t.Error("a system prompt with a picture")
	}
}
