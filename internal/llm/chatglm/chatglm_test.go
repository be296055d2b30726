package chatglm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/llm"
)

// The codes on which a turn's fate depends; the rest of the table is data.
func TestKinds(t *testing.T) {
	d := Dialect()
	for code, want := range map[string]chat.Kind{
		"1001": chat.Unauthenticated, "1113": chat.Billing, "1211": chat.NotFound, "1214": chat.Invalid, "1261": chat.TooLarge,
		"1301": chat.Rejected, "1302": chat.RateLimited, "1305": chat.Overloaded, "1312": chat.Overloaded, "1234": chat.Unavailable,
	} {
		if got, ok := d.Kinds[code]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", code, got, ok, want)
		}
	}
	// Every code of the documentation but 1110–1113 and the like that mean money is either final or may be tried elsewhere.
	for code, kind := range d.Kinds {
		if kind == chat.Internal || kind == chat.Canceled {
			t.Errorf("%s is %v", code, kind)
		}
	}
}

func TestFinish(t *testing.T) {
	want := map[string]llm.Finish{"sensitive": {Kind: chat.Rejected}, "network_error": {Kind: chat.Unavailable}, "model_context_window_exceeded": {Reason: "length"}}
	if diff := cmp.Diff(want, Dialect().Finish); diff != "" {
		t.Error(diff)
	}
}

func TestExtra(t *testing.T) {
	disabled := map[string]string{"type": "disabled"}
	for model, thinks := range map[string]bool{
		"glm-4.5": true, "glm-4.6": true, "glm-4.7-flash": true, "glm-5": true, "GLM-5.3": true, "glm-6": true,
		"glm-4-flash-250414": false, "glm-4": false, "glm-z1-air": false, "glm-": false, "charglm-4": false, "": false,
	} {
		got := Dialect().Extra(llm.Call{ID: "t.1.1", Model: model})
		want := map[string]any{"request_id": "t.1.1"}
		if thinks {
			want["thinking"] = disabled
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", model, diff)
		}
	}
	if got := Dialect().Extra(llm.Call{Model: "glm-4"}); len(got) != 0 {
		t.Errorf("without an id: %v", got)
	}
}
