package wecom

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sealer encrypts and signs as the platform does (document 90968).
type sealer struct {
	receiver, token string
	key             []byte
}

func newSealer(receiver, token, aesKey string) (*sealer, error) {
	key, err := base64.StdEncoding.DecodeString(aesKey + "=")
	if err != nil || len(key) != 32 {
		return nil, errors.New("aes_key: must be the 43 letters and digits of an EncodingAESKey")
	}
	return &sealer{receiver: receiver, token: token, key: key}, nil
}

// seal returns the ciphertext of message and the query that proves it, as of now.
func (s *sealer) seal(message string, now time.Time) (encrypt string, query url.Values) {
	plain := make([]byte, 20, 20+len(message)+len(s.receiver)+32)
	_, _ = rand.Read(plain[:16]) // never fails
	binary.BigEndian.PutUint32(plain[16:], uint32(len(message)))
	plain = append(append(plain, message...), s.receiver...)
	pad := 32 - len(plain)%32
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, _ := aes.NewCipher(s.key) // fails for a wrong size only
	cipher.NewCBCEncrypter(block, s.key[:16]).CryptBlocks(plain, plain)
	encrypt = base64.StdEncoding.EncodeToString(plain)

	timestamp, nonce := strconv.FormatInt(now.Unix(), 10), nonce()
	return encrypt, url.Values{
		"timestamp": {timestamp}, "nonce": {nonce}, "msg_signature": {sign(s.token, timestamp, nonce, encrypt)},
	}
}

func sign(fields ...string) string {
	slices.Sort(fields)
	sum := sha1.Sum([]byte(strings.Join(fields, "")))
	return hex.EncodeToString(sum[:])
}

// nonce is a decimal number, as the platform's are.
func nonce() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return strconv.FormatUint(uint64(binary.BigEndian.Uint32(b[:])), 10)
}
