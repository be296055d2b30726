package wecom

import (
	"bytes"
	"unicode/utf8"
)

// Flat is what reads the usual document of WeCom by itself: one root, <xml>, and in it elements with nothing but a text. encoding/xml takes 15 µs for
// one of them, a tenth of what a message costs in a client service.
type Flat interface {
	// SetXML takes an element's text; of several of one name the last counts. false: it is none that can be read so.
	SetXML(name string, text []byte) bool
}

// flat reads doc into v as encoding/xml would. false: it is not of the usual form, and v holds nothing to rely on.
func flat(doc []byte, v Flat) bool {
	if !plain(doc) {
		return false
	}
	rest, ok := bytes.CutPrefix(space(doc), []byte("<xml>"))
	for n := 0; ok && n < maxElements-1; n++ {
		rest = space(rest)
		if end, over := bytes.CutPrefix(rest, []byte("</xml>")); over {
			return len(space(end)) == 0
		}
		var name, text []byte
		name, text, rest, ok = element(rest)
		ok = ok && v.SetXML(string(name), text)
	}
	return false
}

// element cuts <name>text</name>, or the same with its text in one CDATA section.
func element(doc []byte) (name, text, rest []byte, ok bool) {
	doc, ok = bytes.CutPrefix(doc, []byte("<"))
	end := bytes.IndexByte(doc, '>')
	if !ok || end <= 0 || !isName(doc[:end]) {
		return nil, nil, nil, false
	}
	name, doc = doc[:end], doc[end+1:]
	if data, is := bytes.CutPrefix(doc, []byte("<![CDATA[")); is {
		text, rest, ok = bytes.Cut(data, []byte("]]>"))
	} else if end := bytes.IndexByte(doc, '<'); end >= 0 {
		text, rest, ok = doc[:end], doc[end:], !bytes.ContainsAny(doc[:end], "&>")
	} else {
		ok = false
	}
	if !ok || len(rest) < len(name)+len("</>") || string(rest[:2]) != "</" || !bytes.HasPrefix(rest[2:], name) || rest[2+len(name)] != '>' {
		return nil, nil, nil, false
	}
	return name, text, rest[len(name)+len("</>"):], true
}

func isName(name []byte) bool {
	for i, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// plain says that all of doc stands as it is in XML's text: UTF-8 without the characters that XML forbids, and no \r, which it changes.
func plain(doc []byte) bool {
	for _, c := range doc {
		if c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return utf8.Valid(doc) && !bytes.Contains(doc, []byte("\uFFFE")) && !bytes.Contains(doc, []byte("\uFFFF"))
}

func space(doc []byte) []byte { return bytes.TrimLeft(doc, " \t\n") }
