package openai

import (
	"io"
	"sync"

	"parley/internal/llm"
)

// keptBuffer is the most that a buffer may hold to be used again: pictures make bodies of megabytes.
const keptBuffer = 256 << 10

// body is a request's body in a borrowed buffer, which is given back with the last byte that is read, or with Close. HTTP/2 closes a body only
// when the answer has ended: until then a turn would hold its whole conversation twice. Close and Read may be called at the same time.
type body struct {
	mu     sync.Mutex
	buffer *[]byte // nil: given back
	rest   []byte
	cut    bool // closed before it was read
	pool   *sync.Pool
}

func (p *Provider) newBody(c *llm.Call) (*body, error) {
	buffer, ok := p.buffers.Get().(*[]byte)
	if !ok {
		buffer = new([]byte)
	}
	b, err := p.appendBody((*buffer)[:0], c)
	if err != nil {
		return nil, err
	}
	*buffer = b
	return &body{buffer: buffer, rest: b, pool: &p.buffers}, nil
}

// Read implements io.Reader. It says io.EOF with the last bytes, not after them.
func (b *body) Read(into []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cut {
		return 0, io.ErrClosedPipe
	}
	n := copy(into, b.rest)
	b.rest = b.rest[n:]
	if len(b.rest) > 0 {
		return n, nil
	}
	b.giveBack()
	return n, io.EOF
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut = b.cut || len(b.rest) > 0
	b.giveBack()
	return nil
}

func (b *body) giveBack() {
	if b.buffer != nil && cap(*b.buffer) <= keptBuffer {
		b.pool.Put(b.buffer)
	}
	b.buffer, b.rest = nil, nil
}
