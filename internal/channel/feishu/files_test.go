package feishu

import (
	"bytes"
	"context"
	"image"
	pictures "image/png"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
	"parley/internal/chat"
	sim "parley/internal/sim/feishu"
)

// png is a picture.
func png(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := pictures.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFetch(t *testing.T) {
	w := newWorld(t, sim.Options{}, nil)
	w.register(t, w.entry(t, nil))
	pixel := png(t)
	c, ok := w.replica(t, nil).(channel.Fetcher)
	if !ok {
		t.Fatal("no Fetcher")
	}
	fetch := func(t *testing.T, m chat.Message) ([]chat.Picture, error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return c.Fetch(ctx, m)
	}
	t.Run("alone", func(t *testing.T) {
		m := w.push(t, sim.Message{User: "ou_z", Pictures: [][]byte{pixel}})
		got, err := fetch(t, m)
		if diff := cmp.Diff([]chat.Picture{{Type: "image/png", Data: pixel}}, got); diff != "" || err != nil || m.Kind != chat.KindText {
			t.Errorf("%v\n%s", err, diff)
		}
	})
	t.Run("with words", func(t *testing.T) {
		m := w.push(t, sim.Message{User: "ou_z", Text: "这是什么？", Pictures: [][]byte{pixel, pixel}})
		if got, err := fetch(t, m); err != nil || len(got) != 2 || m.Text != "这是什么？" {
			t.Errorf("%d pictures of %q, %v", len(got), m.Text, err)
		}
	})
	t.Run("too many", func(t *testing.T) {
		m := w.push(t, sim.Message{User: "ou_z", Text: "看", Pictures: [][]byte{pixel, pixel, pixel, pixel, pixel}})
		if len(m.Images) != chat.MaxImages {
			t.Errorf("%d pictures", len(m.Images))
		}
	})
	for _, tc := range []struct {
		name  string
		data  []byte
		fault sim.Fault
		kind  chat.Kind
	}{
		{"no picture", []byte("<html></html>"), sim.Fault{}, chat.Invalid},
		{"too large", append(bytes.Clone(pixel), make([]byte, channel.MaxImage)...), sim.Fault{}, chat.TooLarge},
		{"gone", pixel, sim.Fault{Code: 234003}, chat.NotFound},
		{"down", pixel, sim.Fault{Status: 502}, chat.Unavailable},
		{"forbidden", pixel, sim.Fault{Code: 99991672}, chat.Forbidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := w.push(t, sim.Message{User: "ou_z", Pictures: [][]byte{tc.data}})
			if tc.fault.API = "resource"; tc.fault.Code+int64(tc.fault.Status) != 0 {
				w.sim.Inject(tc.fault)
			}
			if _, err := fetch(t, m); err == nil || chat.KindOf(err) != tc.kind {
				t.Errorf("%v, want kind %v", err, tc.kind)
			}
		})
	}
	t.Run("withdrawn", func(t *testing.T) {
		m := w.push(t, sim.Message{User: "ou_z", Pictures: [][]byte{pixel}})
		w.sim.Withdraw(m.ID)
		if _, err := fetch(t, m); chat.KindOf(err) != chat.NotFound {
			t.Error(err)
		}
	})
	t.Run("another channel's", func(t *testing.T) {
		if _, err := fetch(t, chat.Message{Images: []chat.Image{{Ref: []byte(`{"message":"a/b","key":"c"}`)}}}); err == nil {
			t.Error("fetched")
		}
	})
}
