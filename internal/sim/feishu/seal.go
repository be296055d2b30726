package feishu

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// seal encrypts a document as the platform does: AES-256-CBC under the key's SHA-256, the IV in front, PKCS#7, base64.
func seal(key string, doc []byte) string {
	sum := sha256.Sum256([]byte(key))
	block, _ := aes.NewCipher(sum[:]) // fails for a wrong size only
	pad := aes.BlockSize - len(doc)%aes.BlockSize
	plain := append(bytes.Clone(doc), bytes.Repeat([]byte{byte(pad)}, pad)...)
	sealed := make([]byte, aes.BlockSize+len(plain))
	_, _ = rand.Read(sealed[:aes.BlockSize]) // never fails
	cipher.NewCBCEncrypter(block, sealed[:aes.BlockSize]).CryptBlocks(sealed[aes.BlockSize:], plain)
	return base64.StdEncoding.EncodeToString(sealed)
}

// SealDocument makes the body and the headers of one delivery of an event, as the platform posts it at that time.
func SealDocument(a App, doc []byte, at time.Time) (http.Header, []byte) {
	body, _ := json.Marshal(map[string]string{"encrypt": seal(a.EncryptKey, doc)}) // texts alone
	return sign(a, body, at), body
}

// sign makes the headers that prove a body.
func sign(a App, body []byte, at time.Time) http.Header {
	timestamp, nonce := strconv.FormatInt(at.Unix(), 10), nonce()
	sum := sha256.Sum256(append([]byte(timestamp+nonce+a.EncryptKey), body...))
	h := http.Header{}
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("X-Lark-Request-Timestamp", timestamp)
	h.Set("X-Lark-Request-Nonce", nonce)
	h.Set("X-Lark-Signature", hex.EncodeToString(sum[:]))
	return h
}

func nonce() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return strconv.FormatUint(uint64(b[0])<<24|uint64(b[1])<<16|uint64(b[2])<<8|uint64(b[3]), 10)
}
