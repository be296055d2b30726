package operate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"parley/internal/app/wire"
	"parley/internal/chat"
	"parley/internal/secret"
)

// SealOptions are the flags of `parley seal`.
type SealOptions struct {
	To     string // age1…, the recipient of the processes' identity
	Tenant string // whose document will hold the reference
	Routes bool   // it will stand in parley-routes
	Static bool   // it will stand in client.yaml or server.yaml
}

// Seal is `parley seal`: it reads one line, the secret, and prints the age: reference that opens it, in one document alone. A secret on the
// command line would stand in the shell's history.
func Seal(env wire.Env, in io.Reader, o SealOptions) error {
	store := secret.New(secret.Options{})
	var scope secret.Scope
	switch {
	case o.Routes:
		scope = store.Routes()
	case o.Static:
		scope = store.Static()
	case !chat.ValidName(o.Tenant):
		return fmt.Errorf("--tenant %q is no tenant's name: [a-z0-9-], 1 to 32 of them", o.Tenant)
	default:
		scope = store.Tenant(o.Tenant)
	}
	line, err := bufio.NewReader(io.LimitReader(in, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the secret: %w", err)
	}
	value := strings.TrimRight(line, "\r\n")
	if value == "" {
		return errors.New("there is no secret on the standard input: write it as one line, like `parley seal … < secret.txt`")
	}
	ref, err := scope.Seal(o.To, chat.NewSecret(value))
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	fmt.Fprintln(env.Stdout, ref)
	return nil
}

// NewIdentity is `parley seal --keygen`: it prints an age identity, in the form that age-keygen writes, and its recipient.
func NewIdentity(env wire.Env) error {
	identity, recipient, err := secret.NewIdentity()
	if err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "# recipient, for parley seal --to: %s\n%s\n", recipient, identity.Reveal())
	return nil
}
