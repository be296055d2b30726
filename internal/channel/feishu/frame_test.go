package feishu

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() frame {
	return frame{
		seq: 1, log: 1 << 60, service: 33554678, method: methodData, encoding: "gzip", kind: "json", payload: []byte("{}"), logNew: "x",
		headers: []header{{"type", "event"}, {"message_id", "m1"}, {"sum", "1"}, {"seq", "0"}},
	}
}

func TestFrame(t *testing.T) {
	for name, f := range map[string]frame{"full": sample(), "empty": {}, "negative": {service: -1, payload: []byte{}}} {
		t.Run(name, func(t *testing.T) {
			got, err := parseFrame(f.bytes())
			if diff := cmp.Diff(f, got, cmp.AllowUnexported(frame{}, header{})); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
	f := sample()
	raw := f.bytes()
	for cut := range raw {
		_, _ = parseFrame(raw[:cut]) // must not panic
	}
	if _, err := parseFrame([]byte{0xff}); err == nil {
		t.Error("no frame was read")
	}
}

// TestOfficialFrame is sample as Feishu's SDK for Python (lark-oapi 1.7.5) writes it.
func TestOfficialFrame(t *testing.T) {
	want, err := hex.DecodeString("08011080808080808080801018f681801020012a0d0a047479706512056576656e742a100a0a6d6573736167655f696412026d312a080a0373756d120131" +
		"2a080a037365711201303204677a69703a046a736f6e42027b7d4a0178")
	if err != nil {
		t.Fatal(err)
	}
	s := sample()
	if got := s.bytes(); !bytes.Equal(got, want) {
		t.Errorf("%x", got)
	}
}

func FuzzFrame(f *testing.F) {
	s := sample()
	f.Add(s.bytes())
	f.Add([]byte{0x2a, 0x00, 0x42, 0x01})
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := parseFrame(raw)
		if err != nil {
			return
		}
		again, err := parseFrame(got.bytes())
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(frame{}, header{})); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

func fragment(id string, sum, seq int, payload string) *frame {
	return &frame{payload: []byte(payload), headers: []header{{headerID, id}, {headerSum, fmt.Sprint(sum)}, {headerSeq, fmt.Sprint(seq)}}}
}

func TestPieces(t *testing.T) {
	var p pieces
	for _, step := range []struct {
		in   *frame
		want string
	}{
		{fragment("a", 1, 0, "whole"), "whole"},
		{fragment("b", 3, 2, "c"), ""},
		{fragment("c", 2, 0, "x"), ""},
		{fragment("b", 3, 0, "a"), ""},
		{fragment("b", 3, 0, "a"), ""}, // twice
		{fragment("b", 3, 1, "b"), "abc"},
		{fragment("c", 2, 1, "y"), "xy"},
		{fragment("d", 2, 2, "beyond"), ""},
		{fragment("d", 2, -1, "before"), ""},
		{fragment("e", 1000, 0, "too many"), ""},
		{fragment("", 2, 0, "nobody's"), ""},
	} {
		got, ok := p.add(step.in)
		if string(got) != step.want || ok != (step.want != "") {
			t.Errorf("%v gave %q, want %q", step.in.headers, got, step.want)
		}
	}
	if len(p.waiting)+len(p.order)+p.bytes != 0 {
		t.Errorf("still waiting: %+v", p)
	}
}

// TestPiecesBound: pieces that nobody completes do not fill the memory.
func TestPiecesBound(t *testing.T) {
	var p pieces
	for i := range 2000 {
		p.add(fragment(fmt.Sprint(i), 2, 0, strings.Repeat("x", 100_000)))
	}
	if len(p.waiting) > maxWaiting || len(p.waiting) != len(p.order) || p.bytes > maxPieces {
		t.Errorf("%d wait, %d bytes", len(p.waiting), p.bytes)
	}
	p = pieces{}
	for i := range 2000 {
		p.add(fragment(fmt.Sprint(i), 2, 0, "x"))
	}
	if len(p.waiting) != maxWaiting {
		t.Errorf("%d wait", len(p.waiting))
	}
}
