package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel/wecom"
	"parley/internal/chat"
	sim "parley/internal/sim/wecom"
)

// sealedBy is what the other side is asked to do.
type sealedBy struct {
	Do        string `json:"do"` // seal, open or check
	Token     string `json:"token"`
	AESKey    string `json:"aes_key"`
	Receiver  string `json:"receiver"`
	Text      string `json:"text,omitempty"`
	Body      string `json:"body,omitempty"`
	EchoStr   string `json:"echostr,omitempty"`
	Signature string `json:"signature,omitempty"`
	Timestamp string `json:"timestamp"`
	Nonce     string `json:"nonce"`
}

// wechatpy starts the SDK and gives a way to ask it.
func wechatpy(t *testing.T) func(q sealedBy) (said, failed string) {
	t.Helper()
	python := Installed(t, "wecom_python")
	cmd := exec.CommandContext(t.Context(), filepath.Join(python, "bin", "python"), "wecom/envelope.py")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	lines := bufio.NewReader(out)
	return func(q sealedBy) (said, failed string) {
		t.Helper()
		if err := json.NewEncoder(in).Encode(q); err != nil {
			t.Fatal(err)
		}
		line, err := lines.ReadBytes('\n')
		var a struct{ Said, Error string }
		if err != nil || json.Unmarshal(line, &a) != nil {
			t.Fatalf("the SDK ended: %q, %v", line, err)
		}
		return a.Said, a.Error
	}
}

// TestWeComEnvelope: wechatpy opens what Parley and the simulated platform seal, and Parley opens what wechatpy seals, with a CorpID and, as AI bots
// have it, without a receiver.
func TestWeComEnvelope(t *testing.T) {
	ask := wechatpy(t)
	const token, key = "QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	now := time.Now()
	timestamp := strconv.FormatInt(now.Unix(), 10)
	for _, receiver := range []string{"wx5823bf96d3bd56c7", ""} {
		ours, err := wecom.NewEnvelope(receiver, []chat.Secret{chat.NewSecret(token)}, []chat.Secret{chat.NewSecret(key)})
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"short": "<xml></xml>", "Chinese": "<xml><Content><![CDATA[你好 ]]]]><![CDATA[> 👩‍👩‍👧]]></Content></xml>",
			"a block": strings.Repeat("a", 32), "long": strings.Repeat("很长的消息。", 3000),
		} {
			t.Run(fmt.Sprintf("%s to %q", name, receiver), func(t *testing.T) {
				q := sealedBy{Token: token, AESKey: key, Receiver: receiver, Timestamp: timestamp, Nonce: "1372623149"}
				s := ours.Seal([]byte(text), timestamp, q.Nonce)
				q.Do, q.Signature, q.Body = "open", s.Signature, "<xml><Encrypt><![CDATA["+s.Encrypt+"]]></Encrypt></xml>"
				if said, failed := ask(q); failed != "" || said != text {
					t.Errorf("opening ours: %s, %.60q", failed, said)
				}
				q.Do, q.EchoStr = "check", s.Encrypt
				if said, failed := ask(q); failed != "" || said != text {
					t.Errorf("verifying ours: %s, %.60q", failed, said)
				}
				q.Do, q.Text = "seal", text
				said, failed := ask(q)
				var theirs struct{ Encrypt, MsgSignature, TimeStamp, Nonce string }
				if err := wecom.DecodeXML([]byte(said), &theirs); err != nil || failed != "" {
					t.Fatal(err, failed)
				}
				got, err := ours.Open(wecom.Sealed{Encrypt: theirs.Encrypt, Signature: theirs.MsgSignature, Timestamp: theirs.TimeStamp, Nonce: theirs.Nonce})
				if diff := cmp.Diff(text, string(got)); err != nil || diff != "" {
					t.Errorf("opening theirs: %v\n%s", err, diff)
				}
			})
		}
	}
}

// TestWeComPlatform: wechatpy opens the callbacks that the simulated platform posts, and refuses them for another token or company.
func TestWeComPlatform(t *testing.T) {
	ask := wechatpy(t)
	app := sim.App{Ref: sim.Ref{CorpID: "wwinterop", AgentID: 7}, Token: "tok", AESKey: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"}
	const doc = "<xml><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event></xml>"
	query, body, err := sim.SealDocument(app, doc, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	good := sealedBy{
		Do: "open", Token: app.Token, AESKey: app.AESKey, Receiver: app.CorpID, Body: string(body),
		Signature: query.Get("msg_signature"), Timestamp: query.Get("timestamp"), Nonce: query.Get("nonce"),
	}
	for name, tc := range map[string]struct {
		change func(q *sealedBy)
		want   string // the SDK's error; empty: it opens
	}{
		"as posted":     {func(*sealedBy) {}, ""},
		"another token": {func(q *sealedBy) { q.Token = "x" }, "InvalidSignatureException"},
		"another corp":  {func(q *sealedBy) { q.Receiver = "wwother" }, "InvalidCorpIdException"},
	} {
		q := good
		tc.change(&q)
		said, failed := ask(q)
		if failed != tc.want || tc.want == "" && said != doc {
			t.Errorf("%s: %q, %q", name, said, failed)
		}
	}
}
