package rpc

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	chatv1 "parley/api/chat/v1"
	"parley/internal/chat"
	"parley/internal/jsonstr"
)

// request is a CompleteRequest. Its history, which is most of it, is not read and written by the generated code: that makes a message of each turn,
// and takes longer to look at its UTF-8 than for all the rest.
type request struct {
	head    *chatv1.CompleteRequest // without the history
	history []chat.Turn
}

// Numbers of fields, and their tags: all of these are of one byte.
const (
	fieldHistory = 8 // of CompleteRequest

	tagHistory        = fieldHistory<<3 | byte(protowire.BytesType)
	tagQuestion       = 1<<3 | byte(protowire.BytesType) // of Turn
	tagAnswer         = 2<<3 | byte(protowire.BytesType)
	tagQuestionTokens = 3<<3 | byte(protowire.VarintType)
	tagAnswerTokens   = 4<<3 | byte(protowire.VarintType)
)

var errUTF8 = errors.New("rpc: a turn of the history is not UTF-8")

// size is how many bytes append adds.
func (r *request) size() int {
	n := proto.Size(r.head)
	for i := range r.history {
		n += 1 + protowire.SizeBytes(turnSize(&r.history[i]))
	}
	return n
}

func turnSize(t *chat.Turn) (n int) {
	for _, s := range []string{t.Question, t.Answer} {
		if s != "" {
			n += 1 + protowire.SizeBytes(len(s))
		}
	}
	for _, c := range []int{t.QuestionTokens, t.AnswerTokens} {
		if c > 0 {
			n += 1 + protowire.SizeVarint(uint64(count(c)))
		}
	}
	return n
}

// append writes the message, after size was called. The history comes last, out of the order of numbers, as protobuf allows. That its texts are UTF-8
// whoever stored them has seen, and whoever receives them looks.
func (r *request) append(b []byte) ([]byte, error) {
	b, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, r.head)
	if err != nil {
		return nil, err
	}
	for i := range r.history {
		t := &r.history[i]
		b = protowire.AppendVarint(append(b, tagHistory), uint64(turnSize(t)))
		b = appendText(b, tagQuestion, t.Question)
		b = appendText(b, tagAnswer, t.Answer)
		b = appendCount(b, tagQuestionTokens, t.QuestionTokens)
		b = appendCount(b, tagAnswerTokens, t.AnswerTokens)
	}
	return b, nil
}

func appendText(b []byte, tag byte, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(append(b, tag), s)
}

func appendCount(b []byte, tag byte, n int) []byte {
	if n <= 0 {
		return b
	}
	return protowire.AppendVarint(append(b, tag), uint64(count(n)))
}

// read is the contrary of append, for whatever order a client sends fields in. It keeps nothing of b.
func (r *request) read(b []byte) error {
	*r = request{head: new(chatv1.CompleteRequest)}
	merge := func(part []byte) error { // fields that come in parts are one message to protobuf
		if len(part) == 0 {
			return nil
		}
		return proto.UnmarshalOptions{Merge: true}.Unmarshal(part, r.head)
	}
	from := 0 // what was not read yet
	for at := 0; at < len(b); {
		number, kind, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return protowire.ParseError(n)
		}
		m := protowire.ConsumeFieldValue(number, kind, b[at+n:])
		if m < 0 {
			return protowire.ParseError(m)
		}
		if number != fieldHistory || kind != protowire.BytesType {
			at += n + m
			continue
		}
		if err := merge(b[from:at]); err != nil {
			return err
		}
		inner, _ := protowire.ConsumeBytes(b[at+n:])
		t, err := readTurn(inner)
		if err != nil {
			return err
		}
		r.history = append(r.history, t)
		at += n + m
		from = at
	}
	return merge(b[from:])
}

// readTurn reads a turn. Its texts share one copy.
func readTurn(b []byte) (t chat.Turn, err error) {
	s := string(b)
	for at := 0; at < len(b); {
		number, kind, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return t, protowire.ParseError(n)
		}
		at += n
		n = protowire.ConsumeFieldValue(number, kind, b[at:])
		if n < 0 {
			return t, protowire.ParseError(n)
		}
		switch value := b[at : at+n]; {
		case kind == protowire.BytesType && number <= 2:
			inner, _ := protowire.ConsumeBytes(value)
			text := s[at+n-len(inner) : at+n]
			if !jsonstr.Valid(text) {
				return t, errUTF8
			}
			if number == 1 {
				t.Question = text
			} else {
				t.Answer = text
			}
		case kind == protowire.VarintType && (number == 3 || number == 4):
			v, _ := protowire.ConsumeVarint(value)
			if number == 3 {
				t.QuestionTokens = int(uint32(v))
			} else {
				t.AnswerTokens = int(uint32(v))
			}
		}
		at += n
	}
	return t, nil
}
