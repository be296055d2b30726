package web

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// The beginnings by which the kinds of pictures are known.
var (
	jpeg = []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00")
	png  = []byte("\x89PNG\x0d\x0a\x1a\x0a")
	gif  = []byte("GIF89a")
	webp = []byte("RIFF\x00\x00\x00\x00WEBPVP8 ")
)

// posted is the body of a message with pictures.
func posted(text string, pictures ...[]byte) string {
	list := []string{}
	for _, p := range pictures {
		list = append(list, fmt.Sprintf(`{"data":%q}`, base64.StdEncoding.EncodeToString(p)))
	}
	return fmt.Sprintf(`{"id":"a1","text":%q,"images":[%s]}`, text, strings.Join(list, ","))
}

// sized is a JPEG's beginning with so many bytes in all.
func sized(n int) []byte { return append(bytes.Clone(jpeg), make([]byte, n-len(jpeg))...) }

func TestPicturesOfAMessage(t *testing.T) {
	tests := []struct {
		name   string
		body   string
		status int
		code   string
		want   []string // the types stored
	}{
		{"each kind", posted("这是什么？", jpeg, png, gif, webp), 200, "", []string{"image/jpeg", "image/png", "image/gif", "image/webp"}},
		{"without a word", posted("", png), 200, "", []string{"image/png"}},
		{"four large ones", posted("x", sized(400<<10), sized(400<<10), sized(400<<10), sized(400<<10)), 200, "", []string{"image/jpeg", "image/jpeg", "image/jpeg", "image/jpeg"}},
		{"none", posted("x"), 200, "", nil},
		{"five", posted("x", png, png, png, png, png), 400, "invalid", nil},
		{"one too large", posted("x", sized(maxPicture+1)), 413, "too_large", nil},
		{"all together too large", posted("x", sized(512<<10), sized(512<<10), sized(512<<10), sized(512<<10)), 413, "too_large", nil},
		{"text in bulk", `{"id":"a1","text":"` + strings.Repeat("长", 30000) + `"}`, 413, "too_large", nil},
		{"a page that calls itself a picture", posted("x", []byte("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")), 400, "invalid", nil},
		{"markup behind spaces", posted("x", []byte("  \n<html><script>alert(1)</script>")), 400, "invalid", nil},
		{"empty", posted("x", nil), 400, "invalid", nil},
		{"not base64", `{"id":"a1","text":"x","images":[{"data":"***"}]}`, 400, "invalid", nil},
		{"an address", `{"id":"a1","text":"x","images":[{"url":"https://evil.example/p.png"}]}`, 400, "invalid", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := newStore()
			c := replica(t, st, openAccess())
			status, body, _ := newBrowser(t).do("POST", serve(t, c).URL+c.base+"/messages", tt.body)
			if status != tt.status || tt.code != "" && code(t, body) != tt.code {
				t.Fatalf("answered %d %s, want %d %s", status, body, tt.status, tt.code)
			}
			got := st.accepted()
			if tt.status != http.StatusOK {
				if len(got) > 0 {
					t.Errorf("stored, and refused")
				}
				return
			}
			var types []string
			for _, i := range got[0].Images {
				types = append(types, i.Type)
			}
			if diff := cmp.Diff(tt.want, types); diff != "" {
				t.Error(diff)
			}
			if !got[0].Alone {
				t.Error("the page shows each answer below its question: a message must not be merged with another")
			}
			pictures, err := c.Fetch(t.Context(), got[0])
			if err != nil || len(pictures) != len(tt.want) {
				t.Fatalf("Fetch = %d pictures, %v", len(pictures), err)
			}
			for i, p := range pictures {
				if p.Type != tt.want[i] || !bytes.Equal(p.Data, got[0].Images[i].Data) || len(p.Data) == 0 {
					t.Errorf("picture %d is %s of %d bytes", i, p.Type, len(p.Data))
				}
			}
		})
	}
}

func TestFetchOfWhatIsNotThere(t *testing.T) {
	c := replica(t, newStore(), openAccess())
	if _, err := c.Fetch(t.Context(), chat.Message{Images: []chat.Image{{Ref: json.RawMessage(`"elsewhere"`)}}}); chat.KindOf(err) != chat.NotFound {
		t.Errorf("Fetch = %v, want not found", err)
	}
}

// A page that is opened again knows that there were pictures; it gets none of them back.
func TestPartCountsPictures(t *testing.T) {
	c := replica(t, newStore(), openAccess())
	parts, err := c.Parts(chat.Message{Images: []chat.Image{{Data: sized(100)}, {Data: sized(100)}}}, "两张图", 1)
	if err != nil {
		t.Fatal(err)
	}
	var p part
	if err := json.Unmarshal(parts[0], &p); err != nil || p.Images != 2 || len(parts[0]) > 200 {
		t.Errorf("part = %s, %v", parts[0], err)
	}
}

// slow is a body whose end does not come until it is released.
type slow struct {
	head    io.Reader
	release chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	n, err := s.head.Read(p)
	if err != io.EOF {
		return n, err
	}
	<-s.release
	return 0, io.EOF
}

// However many phones send slowly, only so many large bodies are in memory. Messages without pictures do not wait for them.
func TestLargeBodiesAreBounded(t *testing.T) {
	st := newStore()
	c := replica(t, st, openAccess())
	release := make(chan struct{})
	post := func(body io.Reader) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1"+c.base+"/messages", body)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		return w
	}
	large := posted("x", sized(100<<10))
	answers := make(chan int, largeBodies)
	for range largeBodies {
		go func() { answers <- post(&slow{strings.NewReader(large), release}).Code }()
	}
	for len(c.large) < largeBodies {
		time.Sleep(time.Millisecond)
	}
	if w := post(strings.NewReader(`{"text":"ohne"}`)); w.Code != http.StatusOK {
		t.Errorf("a message without pictures is answered %d", w.Code)
	}
	if w := post(strings.NewReader(large)); w.Code != chat.Overloaded.HTTPStatus() || code(t, w.Body.String()) != "overloaded" {
		t.Errorf("one large body more is answered %d %s", w.Code, w.Body)
	}
	close(release)
	for range largeBodies {
		if status := <-answers; status != http.StatusOK {
			t.Errorf("a slow body is answered %d", status)
		}
	}
	if w := post(strings.NewReader(large)); w.Code != http.StatusOK {
		t.Errorf("afterwards a large body is answered %d", w.Code)
	}
}

// Who is not signed in cannot make the process read anything large.
func TestStrangersUploadNothing(t *testing.T) {
	c := replica(t, newStore(), tokenAccess("the-token"))
	body := strings.NewReader(posted("x", sized(500<<10)))
	before := body.Len()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, c.base+"/messages", body)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized || body.Len() != before {
		t.Errorf("answered %d after reading %d bytes", w.Code, before-body.Len())
	}
}
