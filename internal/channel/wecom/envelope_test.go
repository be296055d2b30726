package wecom

import (
	"bytes"
	"crypto/cipher"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/silenceper/wechat/v2/util"

	"parley/internal/chat"
)

// The sample of document 90968.
const (
	sampleToken = "QDG6eK"
	sampleKey   = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	sampleCorp  = "wx5823bf96d3bd56c7"
	otherKey    = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)

func secrets(values ...string) (all []chat.Secret) {
	for _, v := range values {
		all = append(all, chat.NewSecret(v))
	}
	return all
}

func newTestEnvelope(t testing.TB, receiver string, tokens, keys []chat.Secret) *Envelope {
	t.Helper()
	e, err := NewEnvelope(receiver, tokens, keys)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestOpenOfficialSample(t *testing.T) {
	e := newTestEnvelope(t, sampleCorp, secrets(sampleToken), secrets(sampleKey))
	plain, err := e.Open(Sealed{
		Encrypt:   "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
		Signature: "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3", Timestamp: "1409659589", Nonce: "263014780",
	})
	if err != nil || string(plain) != "1616140317555161061" {
		t.Errorf("Open = %q, %v", plain, err)
	}
}

func TestSealThenOpen(t *testing.T) {
	for _, receiver := range []string{sampleCorp, ""} { // AI bots' receiver is empty
		e := newTestEnvelope(t, receiver, secrets(sampleToken), secrets(sampleKey))
		for n := range 100 { // every length of padding
			message := strings.Repeat("x", n)
			plain, err := e.Open(e.Seal([]byte(message), "1", "2"))
			if err != nil || string(plain) != message {
				t.Fatalf("receiver %q, %d bytes: %q, %v", receiver, n, plain, err)
			}
		}
	}
}

// TestAgainstTheLibrary opens what silenceper/wechat seals and the other way round.
func TestAgainstTheLibrary(t *testing.T) {
	e := newTestEnvelope(t, sampleCorp, secrets(sampleToken), secrets(sampleKey))
	for _, message := range []string{"a", "<xml>你好</xml>", strings.Repeat("长", 1000)} {
		theirs, err := util.EncryptMsg([]byte("0123456789abcdef"), []byte(message), sampleCorp, sampleKey)
		if err != nil {
			t.Fatal(err)
		}
		s := Sealed{Encrypt: string(theirs), Timestamp: "1", Nonce: "2"}
		s.Signature = util.Signature(sampleToken, s.Timestamp, s.Nonce, s.Encrypt)
		if plain, err := e.Open(s); err != nil || string(plain) != message {
			t.Errorf("opened the library's as %q, %v", plain, err)
		}
		ours := e.Seal([]byte(message), "1", "2")
		_, plain, err := util.DecryptMsg(sampleCorp, ours.Encrypt, sampleKey)
		if err != nil || string(plain) != message {
			t.Errorf("the library opened ours as %q, %v", plain, err)
		}
	}
}

func TestRotation(t *testing.T) {
	before := newTestEnvelope(t, sampleCorp, secrets("old"), secrets(otherKey))
	after := newTestEnvelope(t, sampleCorp, secrets("new"), secrets(sampleKey))
	between := newTestEnvelope(t, sampleCorp, secrets("new", "old"), secrets(sampleKey, otherKey))
	for name, sealed := range map[string]Sealed{"old": before.Seal([]byte("m"), "1", "2"), "new": after.Seal([]byte("m"), "1", "2")} {
		if plain, err := between.Open(sealed); err != nil || string(plain) != "m" {
			t.Errorf("%s: %q, %v", name, plain, err)
		}
	}
	if _, err := after.Open(before.Seal([]byte("m"), "1", "2")); chat.KindOf(err) != chat.Unauthenticated {
		t.Errorf("a token that was taken away still opens: %v", err)
	}
	if _, err := after.Open(between.Seal([]byte("m"), "1", "2")); err != nil {
		t.Errorf("the first of each must seal: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	e := newTestEnvelope(t, sampleCorp, secrets(sampleToken), secrets(sampleKey))
	resign := func(s Sealed) Sealed {
		s.Signature = util.Signature(sampleToken, s.Timestamp, s.Nonce, s.Encrypt)
		return s
	}
	for _, tc := range []struct {
		name   string
		change func(Sealed) Sealed
		kind   chat.Kind
	}{
		{"no signature", func(s Sealed) Sealed { s.Signature = ""; return s }, chat.Unauthenticated},
		{"capital letters", func(s Sealed) Sealed { s.Signature = strings.ToUpper(s.Signature); return s }, chat.Unauthenticated},
		{"another time", func(s Sealed) Sealed { s.Timestamp = "9"; return s }, chat.Unauthenticated},
		{"another nonce", func(s Sealed) Sealed { s.Nonce = "9"; return s }, chat.Unauthenticated},
		{"nothing sealed", func(s Sealed) Sealed { s.Encrypt = ""; return resign(s) }, chat.Invalid},
		{"no base64", func(s Sealed) Sealed { s.Encrypt = "%%%"; return resign(s) }, chat.Invalid},
		{"half a block", func(s Sealed) Sealed { s.Encrypt = "AAAA"; return resign(s) }, chat.Invalid},
		{"one block", func(s Sealed) Sealed {
			s.Encrypt = base64.StdEncoding.EncodeToString(make([]byte, 16))
			return resign(s)
		}, chat.Invalid},
		{"another key", func(Sealed) Sealed {
			return newTestEnvelope(t, sampleCorp, secrets(sampleToken), secrets(otherKey)).Seal([]byte("m"), "1", "2")
		}, chat.Invalid},
		{"another receiver", func(Sealed) Sealed {
			return newTestEnvelope(t, "ww", secrets(sampleToken), secrets(sampleKey)).Seal([]byte("m"), "1", "2")
		}, chat.Forbidden},
		{"an empty receiver", func(Sealed) Sealed {
			return newTestEnvelope(t, "", secrets(sampleToken), secrets(sampleKey)).Seal([]byte("m"), "1", "2")
		}, chat.Forbidden},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plain, err := e.Open(tc.change(e.Seal([]byte("m"), "1", "2")))
			if err == nil || chat.KindOf(err) != tc.kind || plain != nil {
				t.Errorf("Open = %q, %v; want kind %v", plain, err, tc.kind)
			}
		})
	}
}

func TestNewEnvelopeRefuses(t *testing.T) {
	for _, tc := range []struct {
		name         string
		tokens, keys []chat.Secret
		says         string
	}{
		{"no token", nil, secrets(sampleKey), "token"},
		{"an empty token, which anybody could sign with", secrets("x", ""), secrets(sampleKey), "token"},
		{"no key", secrets("x"), nil, "aes_key"},
		{"a short key", secrets("x"), secrets(sampleKey[1:]), "EncodingAESKey"},
		{"a key with its =", secrets("x"), secrets(sampleKey + "="), "EncodingAESKey"},
		{"a key of other letters", secrets("x"), secrets(strings.Repeat("!", 43)), "EncodingAESKey"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := NewEnvelope(sampleCorp, tc.tokens, tc.keys)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("error %v; want one that says %q", err, tc.says)
			}
			for _, k := range tc.keys {
				if strings.Contains(err.Error(), k.Reveal()) {
					t.Errorf("the key is in %v", err)
				}
			}
		})
	}
}

// FuzzOpen feeds ciphertexts whose signature is right, as they come from somebody who has the token.
func FuzzOpen(f *testing.F) {
	e := newTestEnvelope(f, sampleCorp, secrets(sampleToken), secrets(sampleKey, otherKey))
	f.Add([]byte("P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="))
	f.Add([]byte(e.Seal([]byte("<xml></xml>"), "1", "2").Encrypt))
	f.Add([]byte("AAAAAAAAAAAAAAAAAAAAAA=="))
	f.Fuzz(func(t *testing.T, encrypt []byte) {
		s := Sealed{Encrypt: string(encrypt), Timestamp: "1", Nonce: "2"}
		s.Signature = util.Signature(sampleToken, "1", "2", s.Encrypt)
		plain, err := e.Open(s)
		if err != nil {
			if kind := chat.KindOf(err); kind != chat.Invalid && kind != chat.Forbidden {
				t.Fatalf("kind %v: %v", kind, err)
			}
			return
		}
		if again, err := e.Open(e.Seal(plain, "3", "4")); err != nil || !bytes.Equal(again, plain) {
			t.Fatalf("%q does not survive: %q, %v", plain, again, err)
		}
	})
}

// FuzzUnpad reaches what lies behind the encryption: any plaintext at all, sealed rightly.
func FuzzUnpad(f *testing.F) {
	e := newTestEnvelope(f, sampleCorp, secrets(sampleToken), secrets(sampleKey))
	f.Add([]byte("0123456789abcdef\x00\x00\x00\x01m" + sampleCorp))
	f.Add(bytes.Repeat([]byte{32}, 64))
	f.Add(bytes.Repeat([]byte{0xff}, 32))
	f.Fuzz(func(t *testing.T, plain []byte) {
		plain = plain[:len(plain)/16*16]
		if len(plain) == 0 {
			return
		}
		message, receiver, ok := e.keys[0].open(encryptRaw(e.keys[0], plain))
		if ok && len(message)+len(receiver)+headSize > len(plain) {
			t.Fatalf("%d bytes hold %d and %d", len(plain), len(message), len(receiver))
		}
	})
}

func encryptRaw(k aesKey, plain []byte) []byte {
	sealed := make([]byte, len(plain))
	cipher.NewCBCEncrypter(k.block, k.iv).CryptBlocks(sealed, plain)
	return sealed
}
