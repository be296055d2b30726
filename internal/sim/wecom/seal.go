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

// Sealer encrypts and signs as the platform does (document 90968). It is immutable.
type Sealer struct {
	receiver, token string
	key             []byte
}

// NewSealer makes the sealer of one receiver: a CorpID, or "" for AI bots.
func NewSealer(receiver, token, aesKey string) (*Sealer, error) {
	key, err := base64.StdEncoding.DecodeString(aesKey + "=")
	if err != nil || len(key) != 32 {
		return nil, errors.New("aes_key: must be the 43 letters and digits of an EncodingAESKey")
	}
	return &Sealer{receiver: receiver, token: token, key: key}, nil
}

// Seal returns the ciphertext of message and the query that proves it, as of now.
func (s *Sealer) Seal(message string, now time.Time) (encrypt string, query url.Values) {
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

// Key is what pictures of AI bots are sealed with, too.
func (s *Sealer) Key() []byte { return s.key }

// Sign is the signature of an answer, whose nonce is its callback's.
func (s *Sealer) Sign(timestamp, nonce, encrypt string) string {
	return sign(s.token, timestamp, nonce, encrypt)
}

// Open verifies and opens what was sealed by the other side.
func (s *Sealer) Open(encrypt, signature, timestamp, nonce string) ([]byte, error) {
	if sign(s.token, timestamp, nonce, encrypt) != signature {
		return nil, errors.New("the signature does not fit")
	}
	plain, err := base64.StdEncoding.DecodeString(encrypt)
	if err != nil || len(plain) == 0 || len(plain)%aes.BlockSize != 0 {
		return nil, errors.New("the ciphertext is not whole blocks in base64")
	}
	block, _ := aes.NewCipher(s.key) // fails for a wrong size only
	cipher.NewCBCDecrypter(block, s.key[:16]).CryptBlocks(plain, plain)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > 32 || len(plain) < 20+pad {
		return nil, errors.New("it does not open with this key")
	}
	plain = plain[:len(plain)-pad]
	end := 20 + uint64(binary.BigEndian.Uint32(plain[16:20]))
	if end > uint64(len(plain)) || string(plain[end:]) != s.receiver {
		return nil, errors.New("it is for another receiver")
	}
	return plain[20:end], nil
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
