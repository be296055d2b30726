package all_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/llm"
	simllm "parley/internal/sim/llm"
)

// png is the smallest picture; jpeg and others are so by their first bytes.
var (
	png  = must(base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="))
	jpeg = append([]byte("\xff\xd8\xff\xe0"), bytes.Repeat([]byte{7}, 5<<20-4)...)
	gif  = []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;")
	webp = []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\r\x00\x00\x00")
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestPicturesOnTheWire: each vendor gets the question's pictures, and those alone, in the form that it documents; a model that does not see refuses
// them, which the simulator knows by its name as the routes do.
func TestPicturesOnTheWire(t *testing.T) {
	for name, model := range map[string]string{
		"OpenAI": "gpt-4o-mini", "OpenAI, h2c": "gpt-4o-mini", "OpenAI reasoning": "gpt-5-mini", "Azure v1": "gpt-4o-mini",
		"ChatGLM": "glm-4.6v", "ChatGLM, JWT": "glm-4.5v", "ERNIE": "ernie-4.5-turbo-vl", "ERNIE, upper case": "ERNIE-4.5-Turbo-VL-32K",
	} {
		t.Run(name, func(t *testing.T) {
			h := houses[name]
			s, origin := startSim(t, simllm.Options{Vendor: h.vendor, Keys: []string{h.key}})
			p := h.dial(t, origin)
			call := llm.Call{ID: "t.1.1", Model: model, Question: "这是什么？", Key: chat.NewSecret(h.key), History: []chat.Turn{{Question: "[图片] 早", Answer: "早"}},
				Images: []chat.Picture{{Type: "image/png", Data: png}, {Type: "image/jpeg", Data: jpeg}, {Type: "image/gif", Data: gif}, {Type: "image/webp", Data: webp}}}
			if a, err := p.Complete(t.Context(), call, ignore); err != nil || a.Text != h.vendor.Answer(1, "这是什么？") {
				t.Fatalf("%+v, %v", a, err)
			}
			want := []simllm.Image{{Type: "image/png", Bytes: len(png)}, {Type: "image/jpeg", Bytes: 5 << 20}, {Type: "image/gif", Bytes: len(gif)}, {Type: "image/webp", Bytes: len(webp)}}
			if diff := cmp.Diff(want, s.Ledger()[0].Images); diff != "" {
				t.Errorf("the vendor saw (-want +got):\n%s", diff)
			}
			call.ID, call.Model = "t.2.1", h.blind()
			if _, err := p.Complete(t.Context(), call, ignore); chat.KindOf(err) != chat.Invalid {
				t.Errorf("a model that does not see: %v", err)
			}
		})
	}
}

// blind is a model of the house's vendor that does not look at pictures.
func (h house) blind() string {
	return map[string]string{"openai": "gpt-3.5-turbo", "chatglm": "glm-4.6", "ernie": "ernie-4.5-turbo-128k"}[h.dialect]
}
