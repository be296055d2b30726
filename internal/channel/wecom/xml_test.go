package wecom

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecodeXML(t *testing.T) {
	for _, tc := range []struct {
		name, doc, want string
	}{
		{"CDATA", "<xml><Encrypt><![CDATA[a<b]]></Encrypt></xml>", "a<b"},
		{"plain", "<xml>\n<Encrypt>a&lt;b</Encrypt>\n</xml>", "a<b"},
		{"declared", `<?xml version="1.0" encoding="UTF-8"?><xml><Encrypt>a</Encrypt></xml>`, "a"},
		{"unknown fields", "<xml><New><X>1</X></New><Encrypt>a</Encrypt></xml>", "a"},
		{"characters that XML forbids", "<xml><Encrypt><![CDATA[a\x00\x0b\xffb]]></Encrypt></xml>", "a\uFFFD\uFFFD\uFFFDb"},
		{"deep enough", strings.Repeat("<a>", 15) + strings.Repeat("</a>", 15), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var c Callback
			if err := DecodeXML([]byte(tc.doc), &c); err != nil || c.Encrypt != tc.want {
				t.Errorf("decoded %q, %v; want %q", c.Encrypt, err, tc.want)
			}
		})
	}
	for name, doc := range map[string]string{
		"empty":     "",
		"text":      "hello",
		"JSON":      `{"encrypt":"a"}`,
		"unclosed":  "<xml><Encrypt>a",
		"crossed":   "<xml><a><b></a></b></xml>",
		"doctype":   `<!DOCTYPE xml SYSTEM "http://127.0.0.1/x"><xml/>`,
		"entity":    "<xml><Encrypt>&boom;</Encrypt></xml>",
		"too deep":  strings.Repeat("<a>", 17) + strings.Repeat("</a>", 17),
		"too wide":  "<a>" + strings.Repeat("<b/>", 2001) + "</a>",
		"other set": `<?xml version="1.0" encoding="GBK"?><xml/>`,
	} {
		t.Run(name, func(t *testing.T) {
			var c Callback
			if err := DecodeXML([]byte(doc), &c); err == nil {
				t.Errorf("decoded %+v", c)
			}
		})
	}
}

func FuzzDecodeXML(f *testing.F) {
	f.Add([]byte("<xml><ToUserName><![CDATA[ww1]]></ToUserName><AgentID>1</AgentID><Encrypt><![CDATA[a]]></Encrypt></xml>"))
	f.Add([]byte("<xml><Encrypt>&#x8;&amp;</Encrypt></xml>"))
	f.Add([]byte("<?xml version='1.0'?><a:xml xmlns:a='b'><a:Encrypt/></a:xml>"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var c Callback
		if err := DecodeXML(doc, &c); err == nil && !utf8.ValidString(c.Encrypt) {
			t.Fatalf("not UTF-8: %q", c.Encrypt)
		}
	})
}
