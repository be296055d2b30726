package bot

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// Fault changes how response_url, or a command of the long connection, is answered.
type Fault struct {
	API    string // "response", or a command: aibot_respond_msg, aibot_send_msg, …
	Times  int    // 0: one; below 0: all
	Code   int64  // the platform's errcode
	Status int    // an HTTP status (response)
	Lose   bool   // it is done, and no answer comes
}

// Inject adds a fault; those of one API are used up in their order.
func (s *Sim) Inject(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

func (s *Sim) fault(api string) (f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.faults, func(f *Fault) bool { return f.API == api })
	if i < 0 {
		return Fault{}
	}
	f = *s.faults[i]
	if s.faults[i].Times--; s.faults[i].Times == 0 {
		s.faults = slices.Delete(s.faults, i, i+1)
	}
	return f
}

// result is what the platform says of a call.
type result struct {
	Code    int64  `json:"errcode"`
	Message string `json:"errmsg"`
}

// The platform's words.
const (
	codeInvalid = 40035  // a parameter
	codeKind    = 40008  // the kind of message is not allowed here
	codeUsed    = 846602 // assumed: the code was used, or is over
	codeRequest = 846605 // the req_id is not known
	codeWindow  = 846608 // the stream's time is over
	codeAuth    = 853000 // assumed: bot_id or secret is wrong
)

// putCode makes a response_url.
func (s *Sim) putCode(b *bot, m Message) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := newID()
	s.codes[id] = &code{bot: b.ID, user: m.User, chat: m.Chat, message: m.ID, until: s.opt.Now().Add(responseFor)}
	return s.origin + "/cgi-bin/aibot/response?response_code=" + url.QueryEscape(id)
}

// respond takes what is posted to a response_url (document 101138): Markdown, once, within an hour.
func (s *Sim) respond(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	f := s.fault("response")
	if f.Status != 0 {
		w.WriteHeader(f.Status)
		return
	}
	res := result{f.Code, "injected"}
	if f.Code == 0 {
		res = s.response(r.URL.Query().Get("response_code"), body)
	}
	if f.Lose {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(res)
}

func (s *Sim) response(id string, body []byte) result {
	text, no := markdown(body)
	if no.Code != 0 {
		return no
	}
	s.mu.Lock()
	c := s.codes[id]
	ok := c != nil && !c.used && s.opt.Now().Before(c.until)
	if ok {
		c.used = true
	}
	s.mu.Unlock()
	if !ok {
		return result{codeUsed, "response_code is invalid, used or expired"}
	}
	s.show(Shown{Bot: c.bot, User: c.user, Chat: c.chat, Of: c.message, Text: text, Finished: true, Extra: true})
	return result{0, "ok"}
}

// markdown reads a message of the one kind that may be sent by itself.
func markdown(body []byte) (string, result) {
	var m struct {
		Type     string `json:"msgtype"`
		Markdown struct {
			Content string `json:"content"`
		} `json:"markdown"`
	}
	switch {
	case json.Unmarshal(body, &m) != nil:
		return "", result{codeInvalid, "invalid json"}
	case m.Type != "markdown":
		return "", result{codeKind, "invalid message type"}
	case m.Markdown.Content == "" || len(m.Markdown.Content) > maxContent:
		return "", result{codeInvalid, "markdown.content is empty or too long"}
	}
	return m.Markdown.Content, result{}
}

// media is a picture or file, sealed, for five minutes.
type media struct {
	data  []byte
	until time.Time
}

// putMedia seals data with the callback's key, or with one of its own that the answer tells.
func (s *Sim) putMedia(data, key []byte) map[string]any {
	out := map[string]any{}
	if key == nil {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		out["aeskey"] = base64.RawStdEncoding.EncodeToString(key)
	}
	pad := 32 - len(data)%32
	plain := append(slices.Clone(data), bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, _ := aes.NewCipher(key) // fails for a wrong size only
	cipher.NewCBCEncrypter(block, key[:16]).CryptBlocks(plain, plain)
	id := newID()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.media[id] = media{plain, s.opt.Now().Add(mediaFor)}
	out["url"] = s.origin + "/aibot/media/" + id
	return out
}

func (s *Sim) serveMedia(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	m, ok := s.media[r.PathValue("id")]
	s.mu.Unlock()
	if !ok || !s.opt.Now().Before(m.until) {
		http.Error(w, "expired", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(m.data)
}

func refusedConnection(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// Shown lists every state of everything that a person saw of a bot, oldest first. An empty user: all people.
func (s *Sim) Shown(bot, user string) []Shown {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Shown
	for _, n := range s.shown {
		if n.Bot == bot && (user == "" || n.User == user) {
			list = append(list, n)
		}
	}
	return list
}

// Answer is the newest state of the stream that answers a message, and what came of its own besides. ok is false while there is no stream.
func (s *Sim) Answer(message string) (state Shown, extra []Shown, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.shown {
		switch {
		case n.Of != message:
		case n.Extra:
			extra = append(extra, n)
		default:
			state, ok = n, true
		}
	}
	return state, extra, ok
}

// Posted lists what people wrote to a bot.
func (s *Sim) Posted(bot string) []Posted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.posted), func(p Posted) bool { return p.Bot != bot })
}

// Violations are what the platform would not have taken.
func (s *Sim) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wrong)
}
