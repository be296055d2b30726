package llm

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/route"
)

// TestPicturesGoToWhoSees: in the route's order, also where a switch decides; nobody else is asked.
func TestPicturesGoToWhoSees(t *testing.T) {
	const head = "providers:\n  a: {dialect: openai, base_url: 'http://fake/a'}\n  b: {dialect: openai, base_url: 'http://fake/b'}\nmodels: {chat: "
	toGLM := &route.Degradation{Switches: []route.Switch{{ID: "all", Active: true, To: "b/glm-4.6"}}}
	pictures := []chat.Picture{{Type: "image/png", Data: []byte("1")}, {Type: "image/gif", Data: []byte("2")}}
	for name, tc := range map[string]struct {
		route string
		off   *route.Degradation
		first script
		want  []string
		code  string
	}{
		"the first sees":        {"[a/gpt-4o, b/glm-4.6v]", nil, nil, []string{"a/gpt-4o"}, ""},
		"the second sees":       {"[a/gpt-3.5-turbo, b/glm-4.6v]", nil, nil, []string{"b/glm-4.6v"}, ""},
		"fallback to who sees":  {"[a/gpt-4o, b/glm-4.6, b/glm-4.6v]", nil, fails(kind(chat.Unavailable)), []string{"a/gpt-4o", "b/glm-4.6v"}, ""},
		"nobody sees":           {"[a/gpt-3.5-turbo, b/glm-4.6]", nil, nil, nil, chat.CodeNoVision},
		"degraded to the blind": {"[a/gpt-3.5-turbo, b/glm-4.6]", toGLM, nil, nil, chat.CodeNoVision},
		"a foreign no_vision":   {"[a/gpt-4o]", nil, fails(&chat.Error{Kind: chat.Invalid, Code: chat.CodeNoVision}), []string{"a/gpt-4o"}, "foreign"},
	} {
		t.Run(name, func(t *testing.T) {
			first := tc.first
			if first == nil {
				first = says("ok")
			}
			b := newBench(t, head+tc.route+"}\n", map[string][]script{"a": {first}, "b": {says("ok")}})
			b.degradation = tc.off
			req := request()
			req.Images = pictures
			var started []int
			err := b.Complete(t.Context(), req, func(e chat.Event) error {
				if e.Kind == chat.Started {
					started = append(started, e.Start.Images)
				}
				return nil
			})
			var asked []string
			for i, c := range b.calls {
				asked = append(asked, c.Model)
				if diff := cmp.Diff(pictures, c.Images); diff != "" || started[i] != 2 {
					t.Errorf("call %d began with %d pictures: %s", i, started[i], diff)
				}
			}
			if diff := cmp.Diff(tc.want, asked); diff != "" {
				t.Error(diff)
			}
			e, _ := errors.AsType[*chat.Error](err)
			if (tc.code == "") != (err == nil) || tc.code == chat.CodeNoVision && (e.Code != tc.code || e.Kind != chat.Invalid) ||
				tc.code == "foreign" && e.Code != "" {
				t.Errorf("got %v, want the code %q", err, tc.code)
			}
		})
	}
}

// TestPicturesTakeRoom in the window, and only those of the question do.
func TestPicturesTakeRoom(t *testing.T) {
	c := testCounter(t)
	req := chat.Request{Question: "q", History: turns(100, 200, 300), MaxOutput: 100, Images: make([]chat.Picture, 2)}
	p, err := c.fit(req, route.Choice{Model: "gpt-4o", Window: 100 + 16 + 2*perImage + 300}, 10)
	if err != nil || len(p.history) != 1 || p.tokens != 316+2*perImage {
		t.Errorf("%+v, %v", p, err)
	}
}
