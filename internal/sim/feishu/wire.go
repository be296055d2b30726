package feishu

import (
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The methods of frames.
const (
	control   = 0
	dataFrame = 1
)

// wireFrame is a frame of the connection (pbbp2.proto).
type wireFrame struct {
	logID   uint64
	service int32
	method  int32
	headers map[string]string
	payload []byte
}

// frameType is the message Frame, by its description: the protobuf library reads and writes it, so that nothing here is like what is tested.
var frameType = sync.OnceValue(func() protoreflect.MessageDescriptor {
	label := func(repeated, required bool) *descriptorpb.FieldDescriptorProto_Label {
		switch {
		case repeated:
			return descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		case required:
			return descriptorpb.FieldDescriptorProto_LABEL_REQUIRED.Enum()
		}
		return descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	}
	field := func(name string, number int32, t descriptorpb.FieldDescriptorProto_Type, required bool) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Type: t.Enum(), Label: label(false, required)}
	}
	const (
		text   = descriptorpb.FieldDescriptorProto_TYPE_STRING
		number = descriptorpb.FieldDescriptorProto_TYPE_UINT64
		small  = descriptorpb.FieldDescriptorProto_TYPE_INT32
		raw    = descriptorpb.FieldDescriptorProto_TYPE_BYTES
	)
	headers := field("headers", 5, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, false)
	headers.TypeName, headers.Label = proto.String(".pbbp2.Header"), label(true, false)
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("pbbp2.proto"), Package: proto.String("pbbp2"), Syntax: proto.String("proto2"),
		MessageType: []*descriptorpb.DescriptorProto{
			{Name: proto.String("Header"), Field: []*descriptorpb.FieldDescriptorProto{field("key", 1, text, true), field("value", 2, text, true)}},
			{Name: proto.String("Frame"), Field: []*descriptorpb.FieldDescriptorProto{
				field("SeqID", 1, number, true), field("LogID", 2, number, true), field("service", 3, small, true), field("method", 4, small, true), headers,
				field("payload_encoding", 6, text, false), field("payload_type", 7, text, false), field("payload", 8, raw, false),
				field("LogIDNew", 9, text, false),
			}},
		},
	}, nil)
	if err != nil {
		panic(err) // the description is a constant
	}
	return file.Messages().ByName("Frame")
})

func (f wireFrame) marshal() ([]byte, error) {
	t := frameType()
	m := dynamicpb.NewMessage(t)
	set := func(name protoreflect.Name, v any) { m.Set(t.Fields().ByName(name), protoreflect.ValueOf(v)) }
	set("SeqID", uint64(0))
	set("LogID", f.logID)
	set("service", f.service)
	set("method", f.method)
	set("payload", f.payload)
	list := m.Mutable(t.Fields().ByName("headers")).List()
	for key, value := range f.headers {
		h := list.NewElement()
		fields := h.Message().Descriptor().Fields()
		h.Message().Set(fields.ByName("key"), protoreflect.ValueOf(key))
		h.Message().Set(fields.ByName("value"), protoreflect.ValueOf(value))
		list.Append(h)
	}
	return proto.Marshal(m)
}

// parse reads a frame; one without its required fields is none.
func parse(raw []byte) (f wireFrame, err error) {
	t := frameType()
	m := dynamicpb.NewMessage(t)
	if err := proto.Unmarshal(raw, m); err != nil {
		return f, err
	}
	get := func(name protoreflect.Name) protoreflect.Value { return m.Get(t.Fields().ByName(name)) }
	f = wireFrame{
		logID: get("LogID").Uint(), service: int32(get("service").Int()), method: int32(get("method").Int()), payload: get("payload").Bytes(),
		headers: make(map[string]string),
	}
	list := get("headers").List()
	for i := range list.Len() {
		h := list.Get(i).Message()
		fields := h.Descriptor().Fields()
		f.headers[h.Get(fields.ByName("key")).String()] = h.Get(fields.ByName("value")).String()
	}
	return f, nil
}
