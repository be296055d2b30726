package wecom

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"strings"

	"parley/internal/chat"
)

// OpenFile decrypts a file that somebody sent to an AI bot: AES-256-CBC padded to 32 bytes, without a signature (document 100719). key is the
// file's own, in base64, as long connections name it; without one the envelope's keys are tried. Errors are of kind Invalid and quote nothing.
func (e *Envelope) OpenFile(data []byte, key chat.Secret) ([]byte, error) {
	const op = "wecom.file"
	keys := e.aesKeys()
	if !key.IsZero() {
		own, err := fileKey(key)
		if err != nil {
			return nil, chat.E(chat.Invalid, op, err)
		}
		keys = []aesKey{own}
	}
	if len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return nil, chat.E(chat.Invalid, op, errors.New("the file is not whole blocks of ciphertext"))
	}
	for _, k := range keys {
		plain := make([]byte, len(data))
		cipher.NewCBCDecrypter(k.block, k.iv).CryptBlocks(plain, data)
		if plain, ok := unpad(plain); ok {
			return plain, nil
		}
	}
	return nil, chat.E(chat.Invalid, op, errors.New("the file does not open with the key it belongs to"))
}

// aesKeys is nil for no envelope.
func (e *Envelope) aesKeys() []aesKey {
	if e == nil {
		return nil
	}
	return e.keys
}

// fileKey reads a key in base64, with its padding or without.
func fileKey(s chat.Secret) (aesKey, error) {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s.Reveal(), "="))
	if err != nil || len(raw) != 32 {
		return aesKey{}, errors.New("the file's key is not 32 bytes in base64")
	}
	block, err := aes.NewCipher(raw)
	return aesKey{block: block, iv: raw[:aes.BlockSize]}, err
}

// unpad takes off PKCS#7 padding of up to 32 bytes.
func unpad(plain []byte) ([]byte, bool) {
	if len(plain) == 0 {
		return nil, false
	}
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > padBlock || pad > len(plain) || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, false
	}
	return plain[:len(plain)-pad], true
}
