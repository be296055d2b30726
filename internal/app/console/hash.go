package console

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a new hash, as OWASP recommends it for argon2id.
const (
	hashMemory, hashTime, hashThreads = 19 << 10, 2, 1
	saltBytes, sumBytes               = 16, 32
)

// The shortest and the longest password. What is longer only costs memory.
const minPassword, maxPassword = 10, 1024

// Hash makes the hash of a password that configuration keeps.
func Hash(password string) (string, error) {
	switch n := len(password); {
	case n < minPassword:
		return "", fmt.Errorf("the password has %d bytes: take at least %d", n, minPassword)
	case n > maxPassword:
		return "", fmt.Errorf("the password has %d bytes: take at most %d", n, maxPassword)
	}
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // it never fails
	return hashed{hashMemory, hashTime, hashThreads, salt, nil}.of(password).String(), nil
}

// hashed is an argon2id hash with what it was made by.
type hashed struct {
	memory, time uint32
	threads      uint8
	salt, sum    []byte
}

func (h hashed) of(password string) hashed {
	h.sum = argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, sumBytes)
	return h
}

// String is the form in which argon2's own program writes it.
func (h hashed) String() string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads, b.EncodeToString(h.salt), b.EncodeToString(h.sum))
}

func parseHash(s string) (h hashed, err error) {
	bad := errors.New("is no hash that `parley console hash` prints")
	part := strings.Split(strings.TrimSpace(s), "$")
	if len(part) != 6 || part[1] != "argon2id" || part[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, bad
	}
	if _, err := fmt.Sscanf(part[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil {
		return h, bad
	}
	var errs [2]error
	h.salt, errs[0] = base64.RawStdEncoding.DecodeString(part[4])
	h.sum, errs[1] = base64.RawStdEncoding.DecodeString(part[5])
	if errors.Join(errs[:]...) != nil || len(h.salt) < 8 || len(h.sum) != sumBytes || h.time < 1 || h.time > 16 || h.threads < 1 || h.memory < 8<<10 || h.memory > 256<<10 {
		return h, bad
	}
	return h, nil
}

// hashes are the users' passwords. A name that nobody has costs the time of one that somebody has.
type hashes struct {
	byName map[string]userHash
	nobody hashed
	room   chan struct{} // hashes that are made at once: each takes memory
}

type userHash struct {
	User
	hash hashed
}

func (h *hashes) open(users []User) error {
	h.byName, h.room = map[string]userHash{}, make(chan struct{}, 2)
	h.nobody = hashed{memory: hashMemory, time: hashTime, threads: hashThreads, salt: []byte(random())[:saltBytes]}.of(random())
	for i, u := range users {
		hash, err := parseHash(u.Hash)
		if err != nil {
			return fmt.Errorf("users[%d].password: %w", i, err)
		}
		h.byName[strings.ToLower(u.Name)] = userHash{u, hash}
	}
	return nil
}

// verify says whether the password is the user's.
func (h *hashes) verify(ctx context.Context, name, password string) (User, bool, error) {
	select {
	case h.room <- struct{}{}:
		defer func() { <-h.room }()
	case <-ctx.Done():
		return User{}, false, ctx.Err()
	}
	u, known := h.byName[strings.ToLower(name)]
	want := u.hash
	if !known {
		want = h.nobody
	}
	same := subtle.ConstantTimeCompare(want.of(password).sum, want.sum) == 1
	return u.User, known && same, nil
}
