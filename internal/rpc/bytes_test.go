package rpc

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"parley/internal/chat"
)

// A piece has the bytes that the generated code gives it.
func TestPieceHasTheCommonBytes(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"one": "a", "Chinese": "你好，", "two bytes of length": strings.Repeat("字", 100), "three": strings.Repeat("字", 10_000),
	} {
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(piece(text).message())
		if err != nil {
			t.Fatal(err)
		}
		got, err := newCodec().Marshal(piece(text))
		if err != nil || !bytes.Equal(want, got.Materialize()) {
			t.Errorf("%s: %v, %x, want %x", name, err, got.Materialize(), want)
		}
	}
	if _, err := newCodec().Marshal(piece("\xff")); err == nil {
		t.Error("a text that is not UTF-8 was encoded")
	}
	if _, err := newCodec().Marshal("text"); err == nil {
		t.Error("something else was encoded")
	}
}

// Whatever the bytes, they are read as the generated code reads them.
func FuzzEvent(f *testing.F) {
	for _, text := range []string{"a", "你好", strings.Repeat("字", 100)} {
		b := piece(text).bytes()
		f.Add(b)
		f.Add(b[:len(b)-1])
		f.Add(append(b, b...))
		f.Add(append(b, 0x28, 1))
	}
	f.Add([]byte{0x12, 0})
	f.Add([]byte{0x12, 2, 0x0a, 0})
	f.Add([]byte{0x12, 3, 0x0a, 1, 0xff})
	f.Add([]byte{0x12, 6, 0x0a, 1, 'a', 0x0a, 1, 'b'})
	f.Add([]byte{0x12, 5, 0x0a, 1, 'a', 0x10, 1})
	f.Add([]byte{0x0a, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var want event
		wantErr := proto.Unmarshal(b, &want.other)
		got := event{piece: "of the one before"}
		err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &got)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%v, want %v", err, wantErr)
		}
		if err != nil {
			return
		}
		e, known := decodeEvent(&got)
		if common, ok := decodeEvent(&want); e != common || known != ok {
			t.Errorf("%+v, %v; want %+v, %v", e, known, common, ok)
		}
	})
}

// past is a request of somebody who has asked twenty times and got six hundred characters each.
func past() chat.Request {
	r := question("然后呢？")
	for range 20 {
		r.History = append(r.History, chat.Turn{Question: strings.Repeat("问", 30), Answer: strings.Repeat("答", 600), QuestionTokens: 30, AnswerTokens: 600})
	}
	return r
}

// BenchmarkHistory measures what a request with a history costs both sides, without the way between them.
func BenchmarkHistory(b *testing.B) {
	req, c := past(), newCodec()
	b.ReportAllocs()
	for b.Loop() {
		data, err := c.Marshal(encodeRequest(req))
		if err != nil {
			b.Fatal(err)
		}
		in := new(request)
		if err := c.Unmarshal(data, in); err != nil {
			b.Fatal(err)
		}
		data.Free()
		if got := decodeRequest(in); len(got.History) != len(req.History) {
			b.Fatal(got)
		}
	}
}

// BenchmarkPiece measures what a piece of an answer costs both sides, without the way between them.
func BenchmarkPiece(b *testing.B) {
	c := newCodec()
	var got event
	b.ReportAllocs()
	for b.Loop() {
		m, _ := encodeEvent(chat.Event{Kind: chat.Delta, Text: "这是一段话，"})
		data, err := c.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Unmarshal(data, &got); err != nil {
			b.Fatal(err)
		}
		data.Free()
		_, _ = decodeEvent(&got)
	}
}
