package secret_test

import (
	"path/filepath"
	"testing"

	"filippo.io/age"

	"parley/internal/chat"
	"parley/internal/secret"
)

// TestIdentityChanges rotates the identity that sealed values are opened with, by a file that for a while holds both.
func TestIdentityChanges(t *testing.T) {
	var ids [2]*age.X25519Identity
	var sealed [2]string
	file := filepath.Join(t.TempDir(), "identity")
	store := func() *secret.Store { return secret.New(secret.Options{Env: env("PARLEY_AGE_IDENTITY_FILE", file)}) }
	for i := range ids {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = id
		if sealed[i], err = store().Routes().Seal(id.Recipient().String(), chat.NewSecret("sealed-value")); err != nil {
			t.Fatal(err)
		}
	}
	write(t, file, ids[0].String()+"\n")
	s := store()
	opens := func(when string, want ...bool) {
		t.Helper()
		for i := range want {
			if _, err := s.Routes().Resolve(sealed[i]); (err == nil) != want[i] {
				t.Errorf("%s: value %d: %v", when, i, err)
			}
		}
	}
	opens("the old one alone", true, false)
	write(t, file, ids[0].String()+"\n"+ids[1].String()+"\n")
	opens("both", true, true)
	write(t, file, "half a li")
	opens("a faulty file", true, true)
	write(t, file, "# the new one alone\n"+ids[1].String()+"\n")
	opens("the new one alone", false, true)
}
