package openai

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

const (
	maxLine  = 1 << 20  // one line of a stream, in bytes
	maxError = 64 << 10 // an error body, or what stands in a stream and is no event
)

var errLineTooLong = errors.New("a line of the stream is longer than 1 MiB")

// event is one data line. Providers put one JSON value on one line, so none is joined with the next.
type event struct {
	data []byte // valid until the next call
	name string // of the event field before it; "" mostly
	// unfinished: the stream ended cleanly without a newline after this line.
	unfinished bool
}

// events reads server-sent events (WHATWG HTML, "Server-sent events"), leniently: lines end in LF or CRLF, the last may lack its end, and
// a space after the colon may be missing. What is no event, like a plain JSON error, gathers in stray.
type events struct {
	r     *bufio.Reader
	long  []byte // a line that did not fit r's buffer
	name  string
	stray bytes.Buffer
	begun bool
}

func newEvents(r io.Reader) *events { return &events{r: bufio.NewReaderSize(r, 4096)} }

// next returns the next data line, or the stream's error; io.EOF is a clean end.
func (e *events) next() (event, error) {
	for {
		line, err := e.line()
		ended := errors.Is(err, io.EOF) && len(line) > 0
		if err != nil && !ended {
			return event{}, err
		}
		if data, ok := e.take(line); ok {
			return event{data: data, name: e.name, unfinished: ended}, nil
		}
	}
}

// line returns a line without its end. A line cut by an error other than io.EOF is dropped: half of a JSON value says nothing.
func (e *events) line() ([]byte, error) {
	e.long = e.long[:0]
	for {
		piece, err := e.r.ReadSlice('\n')
		if len(e.long)+len(piece) > maxLine {
			return nil, errLineTooLong
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			e.long = append(e.long, piece...)
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if len(e.long) > 0 {
			e.long = append(e.long, piece...)
			piece = e.long
		}
		if !e.begun {
			piece = bytes.TrimPrefix(piece, []byte("\xef\xbb\xbf"))
			e.begun = true
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(piece, []byte("\n")), []byte("\r")), err
	}
}

// take sorts a line; ok: it is data.
func (e *events) take(line []byte) (data []byte, ok bool) {
	if len(line) == 0 {
		e.name = ""
		return nil, false
	}
	field, value, colon := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "data":
		return value, true
	case "event":
		e.name = string(value)
		return nil, false
	case "id", "retry":
		return nil, false
	case "":
		if colon {
			return nil, false // a comment: keep-alive
		}
	}
	if e.stray.Len()+len(line) < maxError {
		e.stray.Write(line)
		e.stray.WriteByte('\n')
	}
	return nil, false
}
