package channel_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"parley/internal/channel"
)

// Slow peers with large bodies fill their few places; whoever sends what platforms send is not in their way, and memory stays bounded.
func TestFrontIsNotFilledByLargeBodies(t *testing.T) {
	const path, places = "/callback/acme/app", 16
	f := newFixture(map[string]channel.Channel{"acme/app": plain{messages: 1}})
	large := strings.Repeat("x", 33<<10)
	var slow sync.WaitGroup
	var ends []*io.PipeWriter
	for range places {
		body, end := io.Pipe()
		slow.Go(func() {
			if w := f.do(http.MethodPost, path, body); w.Code != http.StatusOK {
				t.Errorf("a large body that came slowly: %d", w.Code)
			}
		})
		if _, err := io.WriteString(end, large); err != nil { // all of it was read: it has its place
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	w := f.do(http.MethodPost, path, strings.NewReader(large))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Connection") != "close" {
		t.Errorf("one large body more: %d %v", w.Code, w.Header())
	}
	if w := f.do(http.MethodPost, path, strings.NewReader("hi")); w.Code != http.StatusOK {
		t.Errorf("a small body: %d", w.Code)
	}
	for _, end := range ends {
		_ = end.Close()
	}
	slow.Wait()
	for range 2 * places { // each leaves its place
		if w := f.do(http.MethodPost, path, strings.NewReader(large)); w.Code != http.StatusOK {
			t.Fatalf("a large body afterwards: %d", w.Code)
		}
	}
}

// untouched is a body that nobody may read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestFrontDoesNotReadWhatIsTooLarge(t *testing.T) {
	f := newFixture(map[string]channel.Channel{"acme/app": plain{messages: 1}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/callback/acme/app", untouched{t})
	r.ContentLength = channel.MaxBody + 1
	w := httptest.NewRecorder()
	f.front.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %d", w.Code)
	}
}
