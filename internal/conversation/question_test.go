package conversation_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// TestWhatIsAsked: a quotation and pictures are part of the question, for the model and in the history.
func TestWhatIsAsked(t *testing.T) {
	gif := chat.Image{Data: []byte("GIF89a;")}
	long := strings.Repeat("长", 3000)
	for name, tc := range map[string]struct {
		m        chat.Message
		maxInput int
		lang     string
		want     string // empty: nobody is asked
		shown    string
	}{
		"a text":                {chat.Message{Text: "hi"}, 0, "", "hi", ""},
		"its form stays":        {chat.Message{Text: "  a\n\n b "}, 0, "", "  a\n\n b ", ""},
		"a quotation":           {chat.Message{Text: "对吗？", Quote: " 一\n二 \n"}, 0, "", "> 一\n> 二\n\n对吗？", ""},
		"a quotation alone":     {chat.Message{Quote: "一"}, 0, "", "> 一", ""},
		"a blank quotation":     {chat.Message{Text: "hi", Quote: " \n"}, 0, "", "hi", ""},
		"a picture":             {chat.Message{Text: "what?", Images: []chat.Image{gif}}, 0, "", "[图片] what?", ""},
		"pictures alone":        {chat.Message{Images: []chat.Image{gif, gif}}, 0, "", "[图片][图片]", ""},
		"more than are seen":    {chat.Message{Images: []chat.Image{gif, gif, gif, gif, gif}}, 0, "", "[图片][图片][图片][图片]", ""},
		"in English":            {chat.Message{Text: "what?", Images: []chat.Image{gif}}, 0, "en", "[picture] what?", ""},
		"everything":            {chat.Message{Text: "a", Quote: "q", Images: []chat.Image{gif}}, 0, "", "> q\n\n[图片] a", ""},
		"a long quotation":      {chat.Message{Text: "a", Quote: long}, 0, "", "> " + long[:3*1999] + "…\n\na", ""},
		"what is left of it":    {chat.Message{Text: strings.Repeat("a", 90), Quote: long}, 100, "", "> " + long[:3*9] + "…\n\n" + strings.Repeat("a", 90), ""},
		"nothing is left":       {chat.Message{Text: strings.Repeat("a", 100), Quote: long}, 100, "", strings.Repeat("a", 100), ""},
		"too long by itself":    {chat.Message{Text: strings.Repeat("a", 101), Quote: "q"}, 100, "", "", "这条消息太长了"},
		"blank":                 {chat.Message{Text: " \n"}, 0, "", "", "直接发消息即可对话"},
		"a command that quotes": {chat.Message{Text: "/status", Quote: "q"}, 0, "", "", "模型：chat"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Limits.MaxInput, w.tenant.Language = tc.maxInput, tc.lang
				p := w.start()
				tc.m.ID, tc.m.Kind = "1", chat.KindText
				w.post(p, tc.m)
				settle(5 * time.Second)
				if tc.want == "" {
					if got := w.out.texts(); w.llm.asked() != 0 || len(got) != 1 || !strings.HasPrefix(got[0], tc.shown) {
						t.Fatalf("asked %d times, shown %q", w.llm.asked(), got)
					}
					return
				}
				w.say(p, "2", "next")
				settle(5 * time.Second)
				if w.llm.asked() != 2 {
					t.Fatalf("asked %d times, shown %q", w.llm.asked(), w.out.texts())
				}
				first, second := w.llm.calls[0], w.llm.calls[1]
				if diff := cmp.Diff(tc.want, first.Question); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
				if len(second.History) != 1 || second.History[0].Question != first.Question {
					t.Errorf("the history has %+v", second.History)
				}
				if len(first.Images) != min(4, len(tc.m.Images)) || len(second.Images) != 0 {
					t.Errorf("asked with %d pictures, then with %d", len(first.Images), len(second.Images))
				}
			})
		})
	}
}

// FuzzQuestion: whatever is quoted, each of its lines is marked as quoted, and the text follows as it is.
func FuzzQuestion(f *testing.F) {
	f.Add("a\nb", "text")
	f.Add("> \r\n\n", "")
	f.Add("\xff", "\u2028x")
	f.Fuzz(func(t *testing.T, quote, text string) {
		var m chat.Message
		raw, _ := json.Marshal(chat.Message{ID: "1", Kind: chat.KindText, Text: text, Quote: quote}) // as a store keeps it
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		inBubble(t, func(t *testing.T) {
			w := newWorld(t)
			w.tenant.Limits.MaxInput = 0
			p := w.start()
			w.post(p, m)
			settle(5 * time.Second)
			if w.llm.asked() == 0 {
				return // a command, or nothing
			}
			got := w.llm.calls[0].Question
			head, ok := strings.CutSuffix(got, strings.TrimRight(m.Text, "\n"))
			if !ok {
				t.Fatalf("%q does not end in %q", got, m.Text)
			}
			for _, line := range strings.Split(strings.TrimRight(head, "\n"), "\n") {
				if head != "" && !strings.HasPrefix(line, "> ") {
					t.Errorf("%q: %q is not marked as quoted", got, line)
				}
			}
		})
	})
}
