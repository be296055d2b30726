package chatglm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
)

// open reads a token as the other side does, and checks its signature.
func open(t *testing.T, token, secret string) (head, payload map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	if want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); parts[2] != want {
		t.Errorf("signature %s, want %s", parts[2], want)
	}
	for i, into := range []*map[string]any{&head, &payload} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return head, payload
}

func TestToken(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 123_456_789, time.UTC)
	got, err := Dialect().Token(chat.NewSecret("id7.s3cret.with.dots"), now)
	if err != nil {
		t.Fatal(err)
	}
	head, payload := open(t, got, "s3cret.with.dots")
	if diff := cmp.Diff(map[string]any{"alg": "HS256", "sign_type": "SIGN"}, head); diff != "" {
		t.Error(diff)
	}
	ms := float64(now.UnixMilli())
	if diff := cmp.Diff(map[string]any{"api_key": "id7", "timestamp": ms, "exp": ms + 210_000}, payload); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(got, base64.RawURLEncoding.EncodeToString([]byte("s3cret"))) {
		t.Error("the secret travels")
	}
}

// A token is kept for three minutes, and each key has its own.
func TestTokenIsKept(t *testing.T) {
	d, now := Dialect(), time.Unix(1_800_000_000, 0)
	make := func(key string, at time.Duration) string {
		t.Helper()
		v, err := d.Token(chat.NewSecret(key), now.Add(at))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := make("a.1", 0)
	if make("a.1", tokenUse-time.Millisecond) != first {
		t.Error("made anew within three minutes")
	}
	for _, other := range []string{"a.2", "b.1"} {
		if make(other, 0) == first {
			t.Errorf("%s has the token of a.1", other)
		}
	}
	renewed := make("a.1", tokenUse)
	if _, p := open(t, renewed, "1"); p["exp"] != float64(now.Add(tokenUse+tokenLife).UnixMilli()) {
		t.Errorf("not renewed before it ends: %v", p)
	}
}

func TestTokensAreForgotten(t *testing.T) {
	kept, now := newTokens(), time.Unix(1_800_000_000, 0)
	for i := range 100 {
		if _, err := kept.of(chat.NewSecret(fmt.Sprintf("k%d.s", i)), now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := kept.of(chat.NewSecret("new.s"), now.Add(time.Hour)); err != nil || len(kept.kept) != 1 {
		t.Errorf("%d tokens kept, %v", len(kept.kept), err)
	}
}

func TestTokenOfABadKey(t *testing.T) {
	for _, key := range []string{"", "k3y", ".k3y", "k3y."} {
		_, err := Dialect().Token(chat.NewSecret(key), time.Now())
		if err == nil || !strings.Contains(err.Error(), "has not the form id.secret") || strings.Contains(err.Error(), "k3y") {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestTokensTogether(t *testing.T) {
	d, now := Dialect(), time.Now()
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			key := fmt.Sprintf("k%d.s", i%4)
			v, err := d.Token(chat.NewSecret(key), now.Add(time.Duration(i)*time.Minute))
			if err != nil {
				t.Error(err)
				return
			}
			open(t, v, "s")
		})
	}
	wg.Wait()
}
