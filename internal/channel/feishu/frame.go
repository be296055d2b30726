package feishu

import (
	"errors"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// frame is what goes over the connection both ways (pbbp2.proto of Feishu's SDKs). Fields that are not known are kept for nobody.
type frame struct {
	seq, log        uint64
	service, method int32
	headers         []header
	encoding, kind  string // of the payload
	payload         []byte
	logNew          string
}

type header struct{ key, value string }

// What a frame is for.
const (
	methodControl = 0
	methodData    = 1
)

// The headers' names.
const (
	headerType  = "type" // event, card, ping, pong
	headerID    = "message_id"
	headerSum   = "sum" // how many frames hold one payload together
	headerSeq   = "seq" // which of them this is, from 0
	headerTook  = "biz_rt"
	frameEvent  = "event"
	framePing   = "ping"
	framePong   = "pong"
	maxTogether = 64
)

func (f *frame) get(key string) string {
	for _, h := range f.headers {
		if h.key == key {
			return h.value
		}
	}
	return ""
}

// number is a header's number; 0: it has none.
func (f *frame) number(key string) int {
	n, err := strconv.Atoi(f.get(key))
	if err != nil {
		return 0
	}
	return n
}

var errFrame = errors.New("a frame is none")

// parseFrame reads a frame; what it returns shares no memory with data.
func parseFrame(data []byte) (f frame, err error) {
	err = fields(data, func(n protowire.Number, value uint64, bytes []byte) error {
		switch n {
		case 1:
			f.seq = value
		case 2:
			f.log = value
		case 3:
			f.service = int32(value)
		case 4:
			f.method = int32(value)
		case 5:
			h, err := parseHeader(bytes)
			if err != nil {
				return err
			}
			f.headers = append(f.headers, h)
		case 6:
			f.encoding = string(bytes)
		case 7:
			f.kind = string(bytes)
		case 8:
			f.payload = append([]byte{}, bytes...)
		case 9:
			f.logNew = string(bytes)
		}
		return nil
	})
	return f, err
}

func parseHeader(data []byte) (h header, err error) {
	err = fields(data, func(n protowire.Number, _ uint64, bytes []byte) error {
		switch n {
		case 1:
			h.key = string(bytes)
		case 2:
			h.value = string(bytes)
		}
		return nil
	})
	return h, err
}

// fields walks over a message's fields of the two wire types that frames have; others are passed by.
func fields(data []byte, each func(protowire.Number, uint64, []byte) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errFrame
		}
		data = data[n:]
		var value uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(data)
		case protowire.BytesType:
			bytes, n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(number, kind, data)
		}
		if n < 0 {
			return errFrame
		}
		data = data[n:]
		if err := each(number, value, bytes); err != nil {
			return err
		}
	}
	return nil
}

// bytes writes the frame. Its first four fields are required, also where they are 0.
func (f *frame) bytes() (out []byte) {
	for n, value := range []uint64{f.seq, f.log, uint64(f.service), uint64(f.method)} {
		out = protowire.AppendTag(out, protowire.Number(n+1), protowire.VarintType)
		out = protowire.AppendVarint(out, value)
	}
	for _, h := range f.headers {
		var inner []byte
		inner = text(inner, 1, h.key)
		inner = text(inner, 2, h.value)
		out = protowire.AppendTag(out, 5, protowire.BytesType)
		out = protowire.AppendBytes(out, inner)
	}
	out = text(out, 6, f.encoding)
	out = text(out, 7, f.kind)
	if f.payload != nil {
		out = protowire.AppendTag(out, 8, protowire.BytesType)
		out = protowire.AppendBytes(out, f.payload)
	}
	return text(out, 9, f.logNew)
}

func text(out []byte, number protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(out, number, protowire.BytesType), value)
}

// pieces puts payloads together that come in several frames. It is for one reader.
type pieces struct {
	waiting map[string][][]byte
	order   []string
	bytes   int
}

const (
	maxWaiting = 256     // payloads that are not complete; the oldest is dropped
	maxPieces  = 8 << 20 // bytes of all of them
)

// add takes a frame and gives its payload once it is complete.
func (p *pieces) add(f *frame) (payload []byte, ok bool) {
	sum, seq, id := f.number(headerSum), f.number(headerSeq), f.get(headerID)
	if sum <= 1 {
		return f.payload, true
	}
	if sum > maxTogether || seq < 0 || seq >= sum || id == "" {
		return nil, false
	}
	if p.waiting == nil {
		p.waiting = make(map[string][][]byte)
	}
	have, known := p.waiting[id]
	if !known || len(have) != sum {
		p.drop(id)
		have = make([][]byte, sum)
		p.waiting[id], p.order = have, append(p.order, id)
	}
	p.bytes += len(f.payload) - len(have[seq])
	have[seq] = append([]byte{}, f.payload...)
	for _, piece := range have {
		if piece == nil {
			p.bound()
			return nil, false
		}
		payload = append(payload, piece...)
	}
	p.drop(id)
	return payload, true
}

// bound keeps within what may wait.
func (p *pieces) bound() {
	for len(p.order) > maxWaiting || p.bytes > maxPieces && len(p.order) > 0 {
		p.drop(p.order[0])
	}
}

func (p *pieces) drop(id string) {
	for _, piece := range p.waiting[id] {
		p.bytes -= len(piece)
	}
	delete(p.waiting, id)
	for i, other := range p.order {
		if other == id {
			p.order = append(p.order[:i], p.order[i+1:]...)
			return
		}
	}
}
