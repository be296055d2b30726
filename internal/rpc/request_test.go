package rpc

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	chatv1 "parley/api/chat/v1"
	"parley/internal/chat"
)

// requests are what may be asked, with all that a request can hold.
func requests() map[string]chat.Request {
	yes := 0.5
	full := question("再问")
	full.History = []chat.Turn{{Question: "问", Answer: "答", QuestionTokens: 1, AnswerTokens: 1}, {Question: "又问", Answer: "又答"}}
	full.Keys = map[string][]chat.Secret{"openai": {chat.NewSecret("sk-test")}}
	full.Providers, full.Images = []string{"chatglm"}, []chat.Picture{{Type: "image/png", Data: []byte("\x89PNG\r\n\x1a\n")}}
	full.Sampling, full.DeltaGap, full.MaxPrompt = &chat.Sampling{Temperature: &yes, Stop: []string{"。"}}, time.Second, 1<<20
	return map[string]chat.Request{
		"empty": {}, "question": question("你好"), "full": full,
		"odd turns": {History: []chat.Turn{{}, {Question: "q"}, {Answer: "a", AnswerTokens: 1 << 31}, {QuestionTokens: -1}, {Question: strings.Repeat("字", 50)}}},
	}
}

// What we write, the generated code reads as if it had written it.
func TestRequestHasTheCommonMeaning(t *testing.T) {
	t.Parallel()
	all := requests()
	all["past"] = past()
	for name, r := range all {
		data, err := newCodec().Marshal(encodeRequest(r))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b := data.Materialize()
		if size := encodeRequest(r).size(); size != len(b) {
			t.Errorf("%s: a size of %d, and %d bytes", name, size, len(b))
		}
		var got chatv1.CompleteRequest
		if err := proto.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := encodeRequest(r).head
		for _, turn := range r.History {
			want.History = append(want.History, &chatv1.Turn{
				Question: turn.Question, Answer: turn.Answer, QuestionTokens: count(turn.QuestionTokens), AnswerTokens: count(turn.AnswerTokens),
			})
		}
		if diff := cmp.Diff(want, &got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, turn := range []chat.Turn{{Question: "\xff"}, {Answer: "\xe4\xbd"}} {
		data, err := newCodec().Marshal(encodeRequest(chat.Request{History: []chat.Turn{turn}}))
		if err != nil {
			t.Fatal(err)
		}
		if err := newCodec().Unmarshal(data, new(request)); !errors.Is(err, errUTF8) {
			t.Errorf("a text that is not UTF-8 was read: %v", err)
		}
	}
}

// Whatever the bytes, they are read as the generated code reads them.
func FuzzRequest(f *testing.F) {
	for _, r := range requests() {
		data, err := newCodec().Marshal(encodeRequest(r))
		if err != nil {
			f.Fatal(err)
		}
		ours := data.Materialize()
		var m chatv1.CompleteRequest
		if err := proto.Unmarshal(ours, &m); err != nil {
			f.Fatal(err)
		}
		theirs, err := proto.Marshal(&m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(ours)
		f.Add(theirs)
		f.Add(append(bytes.Clone(ours), theirs...))
		f.Add(ours[:len(ours)/2])
	}
	for _, b := range []string{
		"\x42\x00", "\x42\x03\x0a\x01\xff", "\x42\x06\x0a\x01a\x0a\x01b", "\x42\x02\x18\x07\x0a\x01a", "\x40\x01", "\x43\x44", "\x42\x05\x1b\x08\x01\x1c\x0a",
		"\x42\x07\x18\xff\xff\xff\xff\xff\x01", "\x42\x02\x08\x01", "\x42\x80", "\x42\x04\x2a\x02ab", "\xc2\x00\x00", "\x00", "\x42\x01\x00",
	} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m chatv1.CompleteRequest
		wantErr := proto.Unmarshal(b, &m)
		var got request
		err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &got)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%v, want %v", err, wantErr)
		}
		if err != nil {
			return
		}
		var history []chat.Turn
		for _, turn := range m.GetHistory() {
			history = append(history, chat.Turn{
				Question: turn.GetQuestion(), Answer: turn.GetAnswer(), QuestionTokens: int(turn.GetQuestionTokens()), AnswerTokens: int(turn.GetAnswerTokens()),
			})
		}
		if diff := cmp.Diff(history, got.history); diff != "" {
			t.Error(diff)
		}
		m.History = nil
		if diff := cmp.Diff(&m, got.head, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBuffers(t *testing.T) {
	t.Parallel()
	p := new(buffers)
	for _, n := range []int{0, 1, 4095, 4096, 4097, 40_000, 1 << 20, 1<<20 + 1, 3 << 20} {
		b := p.Get(n)
		if len(*b) != n || n <= 1<<20 && cap(*b) < 4096 {
			t.Errorf("%d: %d of %d", n, len(*b), cap(*b))
		}
		*b = append((*b)[:0], "used"...)
		p.Put(b)
		if again := p.Get(n); len(*again) != n {
			t.Errorf("%d again: %d", n, len(*again))
		}
	}
	odd := make([]byte, 5000)
	p.Put(&odd)
	if b := p.Get(8000); len(*b) != 8000 {
		t.Error("a buffer that is too small was kept")
	}
}
