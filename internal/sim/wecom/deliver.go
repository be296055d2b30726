package wecom

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Seal makes the query and the body of one delivery of m, as the platform posts it at that time. It is for those who drive a callback
// themselves.
func Seal(a App, m Message, at time.Time) (url.Values, []byte, error) {
	doc, err := document(a.Ref, m)
	if err != nil {
		return nil, nil, err
	}
	return SealDocument(a, doc, at)
}

// post seals doc into the request that carries it.
func (s *Sealer) post(ref Ref, doc string, at time.Time) (url.Values, []byte) {
	encrypt, query := s.Seal(doc, at)
	return query, fmt.Appendf(nil,
		"<xml><ToUserName><![CDATA[%s]]></ToUserName><AgentID><![CDATA[%d]]></AgentID><Encrypt><![CDATA[%s]]></Encrypt></xml>",
		ref.CorpID, ref.AgentID, encrypt)
}

// deliver makes one try: the first replica that takes the connection decides.
func (s *Sim) deliver(ctx context.Context, a *app, doc string) Try {
	query, body := a.sealer.post(a.Ref, doc, s.opt.Now())
	t := Try{At: s.opt.Now(), Err: "the application has no callbacks"}
	for _, address := range s.replicas(a) {
		var refused bool
		if t, refused = s.call(ctx, http.MethodPost, address, query, s.opt.AckWithin, body); !refused {
			break
		}
	}
	return t
}

// replicas lists the callbacks, beginning with another one each time.
func (s *Sim) replicas(a *app) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(a.Callbacks) == 0 {
		return nil
	}
	a.next = (a.next + 1) % len(a.Callbacks)
	return append(append([]string{}, a.Callbacks[a.next:]...), a.Callbacks[:a.next]...)
}

// call makes one request; refused says that it reached nobody.
func (s *Sim) call(ctx context.Context, method, address string, query url.Values, within time.Duration, body []byte) (t Try, refused bool) {
	t = Try{URL: address, At: s.opt.Now()}
	start := time.Now()
	defer func() { t.Took = time.Since(start) }()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		t.Err = err.Error()
		return t, false
	}
	req.Header.Set("Content-Type", "text/xml")
	resp, err := s.client.Do(req)
	if err != nil {
		op, isOp := errors.AsType[*net.OpError](err)
		t.Err = err.Error()
		return t, isOp && op.Op == "dial"
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil { // the connection was cut before the answer's end
		t.Err = err.Error()
		return t, false
	}
	t.Status, t.Body = resp.StatusCode, string(answer)
	return t, false
}

// Verify does what the administrator's 保存 button does: every callback must answer a sealed number with its plaintext within 1 s.
func (s *Sim) Verify(ctx context.Context, ref Ref) error {
	a, err := s.app(ref)
	if err != nil {
		return err
	}
	callbacks := s.replicas(a)
	if len(callbacks) == 0 {
		return fmt.Errorf("application %s/%d has no callbacks", ref.CorpID, ref.AgentID)
	}
	for _, address := range callbacks {
		plain := s.newID()
		encrypt, query := a.sealer.Seal(plain, s.opt.Now())
		query.Set("echostr", encrypt)
		// The signature covers the ciphertext, which travels in the query here.
		t, _ := s.call(ctx, http.MethodGet, address, query, time.Second, nil)
		if t.Status != http.StatusOK || t.Body != plain {
			return fmt.Errorf("%s did not verify: status %d %s, answer %q in place of %q", address, t.Status, t.Err, t.Body, plain)
		}
	}
	return nil
}

// cdata is text that is written as <![CDATA[…]]>.
type cdata struct {
	Text string `xml:",cdata"`
}

// document writes the XML of a message (documents 90239, 90240).
func document(ref Ref, m Message) (string, error) {
	doc := struct {
		XMLName   xml.Name `xml:"xml"`
		To        cdata    `xml:"ToUserName"`
		From      cdata    `xml:"FromUserName"`
		CreatedAt int64    `xml:"CreateTime"`
		Type      cdata    `xml:"MsgType"`
		Content   *cdata   `xml:"Content"`
		PicURL    *cdata   `xml:"PicUrl"`
		MediaID   *cdata   `xml:"MediaId"`
		Event     *cdata   `xml:"Event"`
		EventKey  *cdata   `xml:"EventKey"`
		Heard     *cdata   `xml:"Recognition"`
		ID        string   `xml:"MsgId,omitempty"`
		Agent     int64    `xml:"AgentID"`
	}{To: cdata{ref.CorpID}, From: cdata{m.User}, CreatedAt: m.CreatedAt.Unix(), Type: cdata{m.Type}, ID: m.ID, Agent: ref.AgentID}
	switch m.Type {
	case "text":
		doc.Content = &cdata{m.Text}
	case "event":
		doc.Event, doc.EventKey = &cdata{m.Event}, &cdata{m.EventKey}
	default:
		doc.MediaID = &cdata{cmp.Or(m.MediaID, "MEDIA_"+m.ID)}
		if m.Recognition != "" {
			doc.Heard = &cdata{m.Recognition}
		}
		if m.Type == "image" {
			doc.PicURL = &cdata{"http://p.qpic.cn/" + m.ID}
		}
	}
	out, err := xml.Marshal(doc)
	return string(out), err
}
