package feishu

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"testing"

	"parley/internal/chat"
)

// sealFixed seals with an IV of zeros.
func sealFixed(e envelope, plain []byte) string {
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	padded := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	out := make([]byte, aes.BlockSize+len(padded))
	cipher.NewCBCEncrypter(e.block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], padded)
	return base64.StdEncoding.EncodeToString(out)
}

func signatureOf(timestamp, nonce string, body []byte) string {
	sum := sha256.Sum256(append([]byte(timestamp+nonce+testKey), body...))
	return hex.EncodeToString(sum[:])
}

// TestOfficialSample is the sample of the platform's document "configure an event subscription".
func TestOfficialSample(t *testing.T) {
	e := newEnvelopes([]chat.Secret{chat.NewSecret("test key")})[0]
	plain, err := e.open("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=")
	if err != nil || string(plain) != "hello world" {
		t.Errorf("%q, %v", plain, err)
	}
}

func TestOpen(t *testing.T) {
	e := newEnvelopes([]chat.Secret{chat.NewSecret(testKey)})[0]
	for _, text := range []string{"", "a", "0123456789abcdef", "0123456789abcdef0"} {
		if plain, err := e.open(sealFixed(e, []byte(text))); err != nil || string(plain) != text {
			t.Errorf("%q became %q, %v", text, plain, err)
		}
	}
	raw := make([]byte, 3*aes.BlockSize)
	for name, sealed := range map[string]string{
		"nothing": "", "no base64": "%%%", "an IV alone": base64.StdEncoding.EncodeToString(raw[:aes.BlockSize]),
		"half a block": base64.StdEncoding.EncodeToString(raw[:40]), "no padding": base64.StdEncoding.EncodeToString(raw),
	} {
		if plain, err := e.open(sealed); err == nil {
			t.Errorf("%s: opened %q", name, plain)
		}
	}
}
