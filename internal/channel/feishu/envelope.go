package feishu

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"

	"parley/internal/chat"
)

// envelope proves and opens what was sealed with one Encrypt Key (document "configure an event subscription").
type envelope struct {
	key   chat.Secret
	block cipher.Block
}

func newEnvelopes(keys []chat.Secret) (all []envelope) {
	for _, key := range keys {
		sum := sha256.Sum256([]byte(key.Reveal()))
		block, err := aes.NewCipher(sum[:])
		if err != nil { // 32 bytes are a key
			continue
		}
		all = append(all, envelope{key, block})
	}
	return all
}

// signed reports whether signature is the hex SHA-256 of timestamp, nonce, key and the very bytes of the body.
func (e envelope) signed(timestamp, nonce, signature string, body []byte) bool {
	h := sha256.New()
	h.Write([]byte(timestamp + nonce + e.key.Reveal()))
	h.Write(body)
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(h.Sum(nil))), []byte(signature)) == 1
}

var errSealed = errors.New("encrypt is not what the channel's encrypt_key opens")

// open undoes AES-256-CBC with PKCS#7 in base64; the first block is the IV.
func (e envelope) open(encrypt string) ([]byte, error) {
	sealed, err := base64.StdEncoding.DecodeString(encrypt)
	if err != nil || len(sealed) < 2*aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		return nil, errSealed
	}
	iv, plain := sealed[:aes.BlockSize], sealed[aes.BlockSize:]
	cipher.NewCBCDecrypter(e.block, iv).CryptBlocks(plain, plain)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errSealed
	}
	return plain[:len(plain)-pad], nil
}
