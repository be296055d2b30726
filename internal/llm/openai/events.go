package openai

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"
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
	stream  io.Reader
	first   [1]byte
	readers *sync.Pool    // of *bufio.Reader; nil: none, and the reader is kept
	r       *bufio.Reader // nil while the next byte is waited for: a model may think for minutes, and thousands at once
	rest    rest
	long    []byte // a line that did not fit r's buffer
	name    string
	stray   bytes.Buffer
	begun   bool
}

func newEvents(stream io.Reader, readers *sync.Pool) *events {
	return &events{stream: stream, readers: readers}
}

// await waits for a byte, and holds no reader meanwhile.
func (e *events) await() error {
	e.end()
	if _, err := io.ReadFull(e.stream, e.first[:]); err != nil {
		return err
	}
	if e.readers != nil {
		e.r, _ = e.readers.Get().(*bufio.Reader)
	}
	if e.r == nil {
		e.r = bufio.NewReaderSize(nil, 4096)
	}
	e.rest = rest{e.first[:], e.stream}
	e.r.Reset(&e.rest)
	return nil
}

// end gives the reader back.
func (e *events) end() {
	if e.r == nil || e.readers == nil {
		return
	}
	e.r.Reset(nil)
	e.readers.Put(e.r)
	e.r = nil
}

// rest is a stream of which the first bytes were read.
type rest struct {
	read   []byte
	stream io.Reader
}

// Read implements io.Reader.
func (r *rest) Read(into []byte) (int, error) {
	if len(r.read) == 0 {
		return r.stream.Read(into)
	}
	n := copy(into, r.read)
	r.read = r.read[n:]
	return n, nil
}

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
	if e.r == nil || e.r.Buffered() == 0 {
		if err := e.await(); err != nil {
			return nil, err
		}
	}
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
