package wecom

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/silenceper/wechat/v2/util"

	"parley/internal/chat"
)

const (
	saltSize  = 16 // random bytes in front of the plaintext
	headSize  = saltSize + 4
	padBlock  = 32 // WeCom pads to 32 bytes, not to AES's 16
	keyLength = 43 // characters of an EncodingAESKey
)

// Envelope opens and seals what WeCom posts: AES-256-CBC around random(16) + length(4, big endian) + message + receiver, with a SHA-1
// signature over the sorted token, timestamp, nonce and ciphertext (document 90968). The library's own code cannot open a message
// whose receiver is empty, which AI bots send; hence this one. It is immutable and safe for concurrent use.
type Envelope struct {
	receiver string
	tokens   []chat.Secret
	keys     []aesKey
}

type aesKey struct {
	block cipher.Block
	iv    []byte
}

// NewEnvelope makes the envelope of one receiver: the CorpID, or "" for an AI bot. Several tokens and keys are all valid for opening,
// so that they can be exchanged without a gap; the first of each seals. Its errors are chat.Faults of the fields token and aes_key.
func NewEnvelope(receiver string, tokens, aesKeys []chat.Secret) (*Envelope, error) {
	var faults chat.Faults
	if len(tokens) == 0 || slices.ContainsFunc(tokens, chat.Secret.IsZero) {
		faults = append(faults, chat.Fault{Path: "token", What: "is empty; copy Token from the application's 接收消息 page"})
	}
	if len(aesKeys) == 0 {
		faults = append(faults, chat.Fault{Path: "aes_key", What: "is missing; copy EncodingAESKey from the application's 接收消息 page"})
	}
	e := &Envelope{receiver: receiver, tokens: tokens}
	for _, k := range aesKeys {
		key, err := decodeKey(k)
		if err != nil {
			faults = append(faults, chat.Fault{Path: "aes_key", What: err.Error()})
		}
		e.keys = append(e.keys, key)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return e, nil
}

func decodeKey(s chat.Secret) (aesKey, error) {
	raw, err := base64.StdEncoding.DecodeString(s.Reveal() + "=")
	if err != nil || len(s.Reveal()) != keyLength { // the decoder's error would quote the key
		return aesKey{}, fmt.Errorf("must be the %d letters and digits of EncodingAESKey, copied from the application's 接收消息 page", keyLength)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return aesKey{}, err
	}
	return aesKey{block: block, iv: raw[:aes.BlockSize]}, nil
}

// Sealed is an encrypted message with what proves it.
type Sealed struct {
	Encrypt   string
	Signature string
	Timestamp string
	Nonce     string
}

// Open verifies the signature in constant time and opens the message. Errors are *chat.Error: Unauthenticated (signature), Forbidden
// (sealed for another receiver), Invalid (anything else). They never quote what was sent.
func (e *Envelope) Open(s Sealed) ([]byte, error) {
	const op = "wecom.open"
	if !e.signed(s) {
		return nil, chat.E(chat.Unauthenticated, op, errors.New("msg_signature does not fit: is the channel's token the one of the application's 接收消息 page?"))
	}
	sealed, err := base64.StdEncoding.DecodeString(s.Encrypt)
	if err != nil {
		return nil, chat.E(chat.Invalid, op, errors.New("ciphertext is not base64"))
	}
	if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, chat.E(chat.Invalid, op, fmt.Errorf("ciphertext has %d bytes, not a multiple of %d", len(sealed), aes.BlockSize))
	}
	misdirected := false
	for _, k := range e.keys {
		message, receiver, ok := k.open(sealed)
		if ok && receiver == e.receiver {
			return message, nil
		}
		misdirected = misdirected || ok
	}
	if misdirected {
		return nil, chat.E(chat.Forbidden, op, errors.New("sealed for another receiver: is the channel's corp_id right?"))
	}
	return nil, chat.E(chat.Invalid, op, errors.New("does not open: is the channel's aes_key the one of the application's 接收消息 page?"))
}

func (e *Envelope) signed(s Sealed) bool {
	ok := 0
	for _, t := range e.tokens {
		want := util.Signature(t.Reveal(), s.Timestamp, s.Nonce, s.Encrypt)
		ok |= subtle.ConstantTimeCompare([]byte(want), []byte(s.Signature))
	}
	return ok == 1
}

func (k aesKey) open(sealed []byte) (message []byte, receiver string, ok bool) {
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(k.block, k.iv).CryptBlocks(plain, sealed)
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > padBlock || pad > len(plain) {
		return nil, "", false
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, "", false
		}
	}
	plain = plain[:len(plain)-pad]
	if len(plain) < headSize {
		return nil, "", false
	}
	size, body := binary.BigEndian.Uint32(plain[saltSize:headSize]), plain[headSize:]
	if uint64(size) > uint64(len(body)) {
		return nil, "", false
	}
	return body[:size], string(body[size:]), true
}

// Seal encrypts and signs message as the platform does.
func (e *Envelope) Seal(message []byte, timestamp, nonce string) Sealed {
	var plain bytes.Buffer
	var head [headSize]byte
	_, _ = rand.Read(head[:saltSize]) // never fails
	binary.BigEndian.PutUint32(head[saltSize:], uint32(len(message)))
	plain.Write(head[:])
	plain.Write(message)
	plain.WriteString(e.receiver)
	pad := padBlock - plain.Len()%padBlock
	plain.Write(bytes.Repeat([]byte{byte(pad)}, pad))

	sealed := plain.Bytes()
	cipher.NewCBCEncrypter(e.keys[0].block, e.keys[0].iv).CryptBlocks(sealed, sealed)
	s := Sealed{Encrypt: base64.StdEncoding.EncodeToString(sealed), Timestamp: timestamp, Nonce: nonce}
	s.Signature = util.Signature(e.tokens[0].Reveal(), timestamp, nonce, s.Encrypt)
	return s
}
