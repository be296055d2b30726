package wecom

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	maxDepth    = 16
	maxElements = 2000
)

// DecodeXML decodes a document of WeCom into v as encoding/xml does, but bounded in depth and number of elements and without
// directives. People paste characters that XML forbids, and WeCom passes them on: they become U+FFFD, not an error.
func DecodeXML(doc []byte, v any) error {
	if f, ok := v.(Flat); ok && flat(doc, f) {
		return nil
	}
	in := &boundedTokens{d: xml.NewDecoder(bytes.NewReader(bytes.Map(legal, doc)))}
	return xml.NewTokenDecoder(in).Decode(v)
}

// legal maps to itself what XML 1.0 allows.
func legal(r rune) rune {
	switch {
	case r == '\t', r == '\n', r == '\r', r >= 0x20 && r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFD, r >= 0x10000 && r <= utf8.MaxRune:
		return r
	}
	return utf8.RuneError
}

// boundedTokens stops documents that would cost more than any true one.
type boundedTokens struct {
	d               *xml.Decoder
	depth, elements int
}

// Token implements xml.TokenReader.
func (b *boundedTokens) Token() (xml.Token, error) {
	t, err := b.d.RawToken()
	if err != nil {
		return t, err
	}
	switch t.(type) {
	case xml.StartElement:
		b.depth++
		b.elements++
	case xml.EndElement:
		b.depth--
	case xml.Directive:
		return nil, errors.New("directives are not allowed")
	}
	if b.depth > maxDepth || b.elements > maxElements {
		return nil, fmt.Errorf("deeper than %d or more than %d elements", maxDepth, maxElements)
	}
	return t, nil
}

// Callback is the document that WeCom posts around its envelope.
type Callback struct {
	Encrypt string `xml:"Encrypt"`
}

// SetXML implements Flat.
func (c *Callback) SetXML(name string, text []byte) bool {
	if name == "Encrypt" {
		c.Encrypt = string(text)
	}
	return true
}
