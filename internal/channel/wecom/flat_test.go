package wecom

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"strings"
	"testing"
)

// sheet is a document as encoding/xml reads it; flatSheet reads it by itself as well.
type sheet struct {
	Type string `xml:"MsgType"`
	At   int64  `xml:"CreateTime"`
}

type flatSheet struct{ sheet }

func (s *flatSheet) SetXML(name string, text []byte) (ok bool) {
	switch name {
	case "MsgType":
		s.Type = string(text)
	case "CreateTime":
		n, err := strconv.ParseInt(string(text), 10, 64)
		s.At = n
		return err == nil
	}
	return true
}

// sheets are documents, and whether they are of the usual form.
var sheets = []struct {
	doc  string
	flat bool
}{
	{"<xml><ToUserName><![CDATA[ww1]]></ToUserName>\n<CreateTime>1348831860</CreateTime><MsgType><![CDATA[a<b>&c]]></MsgType></xml>", true},
	{" \n<xml>\n  <MsgType>你好 😀\n</MsgType>\n</xml>\n", true},
	{"<xml></xml>", true},
	{"<xml><MsgType></MsgType><MsgType><![CDATA[]]></MsgType></xml>", true},
	{"<xml><MsgType>a</MsgType><MsgType>b</MsgType><A1>c</A1></xml>", true},
	{"<xml><MsgType>a&amp;b</MsgType></xml>", false},
	{"<xml><MsgType>a<![CDATA[b]]></MsgType></xml>", false},
	{"<xml><MsgType><![CDATA[a]]><![CDATA[b]]></MsgType></xml>", false},
	{"<xml><MsgType><![CDATA[a]]> </MsgType></xml>", false},
	{"<xml><MsgType>]]></MsgType></xml>", false},
	{"<xml><MsgType><![CDATA[a\r\nb]]></MsgType></xml>", false},
	{"<xml><MsgType><![CDATA[a\x00b\uFFFF\uFFFE\xff]]></MsgType></xml>", false},
	{"<xml><MsgType x='1'>a</MsgType></xml>", false},
	{"<xml><MsgType >a</MsgType></xml>", false},
	{"<xml><a:MsgType>a</a:MsgType></xml>", false},
	{"<xml><MsgType/></xml>", false},
	{"<xml><New><MsgType>inner</MsgType></New></xml>", false},
	{"<xml><!-- --><MsgType>a</MsgType></xml>", false},
	{"<?xml version='1.0'?><xml><MsgType>a</MsgType></xml>", false},
	{"<doc><MsgType>a</MsgType></doc>", false},
	{"<xml><CreateTime> 7 </CreateTime></xml>", false},
	{"<xml><CreateTime></CreateTime></xml>", false},
	{"<xml><CreateTime>x</CreateTime></xml>", false},
	{"<xml><MsgType>a</MsgTypes></xml>", false},
	{"<xml><MsgType>a</MsgType></xml>more", false},
	{"<xml><MsgType>a</MsgType>more</xml>", false},
	{"<xml><MsgType>a</MsgType>", false},
	{"<xml><MsgType><![CDATA[a</MsgType></xml>", false},
	{"<xml><MsgType>a", false},
	{"<xml><>a</></xml>", false},
	{"<xml><1>a</1></xml>", false},
	{"<xml>" + strings.Repeat("<b>1</b>", 2001) + "</xml>", false},
	{"", false},
}

func TestFlat(t *testing.T) {
	for _, tc := range sheets {
		var s flatSheet
		if got := flat([]byte(tc.doc), &s); got != tc.flat {
			t.Errorf("flat(%.80q) = %v", tc.doc, got)
		}
	}
}

// FuzzFlat: what is read by itself is what encoding/xml reads.
func FuzzFlat(f *testing.F) {
	for _, tc := range sheets {
		f.Add([]byte(tc.doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var got flatSheet
		if !flat(doc, &got) {
			return
		}
		var want sheet
		if err := DecodeXML(doc, &want); err != nil || got.sheet != want {
			t.Fatalf("%q: read %+v, want %+v, %v", doc, got.sheet, want, err)
		}
		d := xml.NewDecoder(bytes.NewReader(doc))
		var raw sheet
		if err := d.Decode(&raw); err != nil || raw != want {
			t.Fatalf("%q: without bounds %+v, %v; want %+v", doc, raw, err, want)
		}
	})
}
