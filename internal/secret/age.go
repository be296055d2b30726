package secret

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"parley/internal/chat"
)

const (
	identityVar     = "PARLEY_AGE_IDENTITY"
	identityFileVar = "PARLEY_AGE_IDENTITY_FILE"
)

// identities reads the process's age identities; the error says why there are none.
func identities(env func(string) (string, bool)) ([]age.Identity, error) {
	var source, text string
	if v, ok := env(identityVar); ok && v != "" {
		source, text = identityVar, v
	} else if path, ok := env(identityFileVar); ok && path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", identityFileVar, err)
		}
		source, text = identityFileVar, string(b)
	} else {
		return nil, absentError(fmt.Sprintf("sealed values need an age identity; set %s or %s", identityVar, identityFileVar))
	}
	ids, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil { // age's error may quote the line, which is the key
		return nil, fmt.Errorf("%s holds no age identity; it begins with AGE-SECRET-KEY-1", source)
	}
	return ids, nil
}

// identityFile is the file that identities are read from; empty: from none.
func (s *Store) identityFile() string {
	if v, ok := s.env(identityVar); ok && v != "" {
		return ""
	}
	path, _ := s.env(identityFileVar)
	return path
}

// current gives the identities, read anew if their file has changed. While it is faulty those before stay, for what they opened is in use.
func (s *Store) current() ([]age.Identity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path := s.identityFile(); path != "" {
		if now := sign(path); now != s.identityOf {
			ids, err := identities(s.env)
			if err == nil || s.noIdentity != nil {
				s.identities, s.noIdentity, s.identityOf = ids, err, now
			}
		}
	}
	return s.identities, s.noIdentity
}

// fromAge opens a sealed value. Its first line must be the scope's name: otherwise whoever may write one tenant's document could copy
// another's sealed value into it and use it.
func (s Scope) fromAge(sealed string) (chat.Secret, error) {
	raw, err := unarmor(sealed)
	if err != nil {
		return chat.Secret{}, invalid("is not a sealed value; write age: and the base64 or the armored text that age gives")
	}
	ids, missing := s.store.current()
	if missing != nil {
		kind := chat.Invalid
		if errors.As(missing, new(absentError)) {
			kind = chat.NotFound
		}
		return chat.Secret{}, chat.E(kind, "secret", missing)
	}
	r, err := age.Decrypt(bytes.NewReader(raw), ids...)
	if err != nil {
		return chat.Secret{}, invalid("cannot be opened with this process's age identity; seal it for that identity's recipient")
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return chat.Secret{}, invalid("is a damaged sealed value; seal it again")
	}
	scope, value, ok := strings.Cut(string(plain), "\n")
	value = strings.TrimRight(value, "\r\n")
	if !ok || scope != s.name {
		return chat.Secret{}, forbidden(fmt.Sprintf("is not sealed for %s; seal the secret with: parley seal --to RECIPIENT %s", s.place(), s.flag()))
	}
	if value == "" {
		return chat.Secret{}, invalid("is sealed without a secret; the second line of the sealed text is empty")
	}
	return chat.NewSecret(value), nil
}

// place and flag are what a scope is to people, and how `parley seal` is told of it.
func (s Scope) place() string {
	switch s.kind {
	case routes:
		return "parley-routes"
	case static:
		return "the static configuration"
	default:
		return s.name
	}
}

func (s Scope) flag() string {
	switch s.kind {
	case routes:
		return "--routes"
	case static:
		return "--static"
	default:
		return "--tenant " + s.name
	}
}

// NewIdentity makes an age identity, which opens what is sealed for its recipient.
func NewIdentity() (identity chat.Secret, recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return chat.Secret{}, "", chat.E(chat.Internal, "secret", err)
	}
	return chat.NewSecret(id.String()), id.Recipient().String(), nil
}

// Seal makes an age: reference that only this scope opens, and only with the identity of recipient (age1…).
func (s Scope) Seal(recipient string, value chat.Secret) (string, error) {
	to, err := age.ParseX25519Recipient(recipient)
	if err != nil {
		return "", invalid("is not an age recipient; it begins with age1")
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to)
	if err != nil {
		return "", chat.E(chat.Internal, "secret", err)
	}
	if _, err := io.WriteString(w, s.name+"\n"+value.Reveal()); err != nil {
		return "", chat.E(chat.Internal, "secret", err)
	}
	if err := w.Close(); err != nil {
		return "", chat.E(chat.Internal, "secret", err)
	}
	return "age:" + base64.StdEncoding.EncodeToString(sealed.Bytes()), nil
}

func unarmor(s string) ([]byte, error) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, armor.Header) {
		return io.ReadAll(io.LimitReader(armor.NewReader(strings.NewReader(s)), maxFile))
	}
	s = strings.Join(strings.Fields(s), "")
	if raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "=")); err == nil {
		return raw, nil
	}
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}
