package openai

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// maxBody is the most bytes of a request: three pictures of the largest size, in base64.
	maxBody = 20 << 20
	// smallBody is more than dialogs without pictures have.
	smallBody = 64 << 10
	// maxBodies is how many bytes of larger bodies are in memory at once; what is made of one takes twice its size again.
	maxBodies = 128 << 20
	// readWithin ends the request of a caller that sends its body drop by drop.
	readWithin = time.Minute
)

// bodies counts the bytes of large bodies.
type bodies struct {
	most   int64
	within time.Duration // a caller has for sending
	held   atomic.Int64
}

func (b *bodies) hold(n int64) (done func(), f *failure) {
	if b.held.Add(n) > b.most {
		b.held.Add(-n)
		return nil, unavailable("Too many large requests are being read at once. Try again soon.", time.Second)
	}
	return func() { b.held.Add(-n) }, nil
}

// read takes a request's body into memory; without a failure, done says that nothing made of it is needed any more.
func (b *bodies) read(w http.ResponseWriter, r *http.Request) (body []byte, done func(), f *failure) {
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // it is not read
		return nil, nil, overMaxBody()
	}
	// It holds until the body's end. Tests' recorders cannot; the bound of bytes holds all the same.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(b.within))
	in := http.MaxBytesReader(w, r.Body, maxBody)
	buf := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength+bytes.MinRead, bytes.MinRead), smallBody)))
	done = func() {}
	_, err := io.CopyN(buf, in, smallBody)
	if err == nil { // there may be more
		size := int64(maxBody)
		if r.ContentLength > 0 {
			size = min(r.ContentLength, maxBody)
		}
		if done, f = b.hold(size); f != nil {
			w.Header().Set("Connection", "close") // the rest is not read
			return nil, nil, f
		}
		buf.Grow(int(min(size, r.ContentLength+bytes.MinRead)))
		_, err = buf.ReadFrom(in)
	} else if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil {
		done()
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return nil, nil, overMaxBody()
		}
		return nil, nil, invalid("", "The body of the request could not be read to its end.")
	}
	return buf.Bytes(), done, nil
}

func overMaxBody() *failure {
	return invalid("", fmt.Sprintf("The request is larger than %d MiB, which is the most.", maxBody>>20))
}
