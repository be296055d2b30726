package chat

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log/slog"
)

const redacted = "***"

// Secret is a credential that cannot be printed: every fmt verb, encoder and logger of the standard library shows ***. The zero
// value is the absent secret. Compare with [Secret.Equal], never with ==.
type Secret struct {
	value *string // behind a pointer, since fmt prints unexported fields of other structs without asking any method
}

// NewSecret wraps value; the empty string makes the absent secret. The caller should forget the plain string.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal gives the plain value, for the one place that sends it. Never log, wrap in an error, or store what it returns.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Equal compares in constant time.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.value == nil }

// Fingerprint is a short digest by which logs and metrics can tell two secrets apart without naming either. It is not reversible
// for high-entropy secrets; do not use it for passwords that people choose.
func (s Secret) Fingerprint() string {
	sum := sha256.Sum256([]byte("parley-fingerprint\x00" + s.Reveal()))
	return hex.EncodeToString(sum[:4])
}

// String implements fmt.Stringer.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return redacted }

// Format implements fmt.Formatter, so that no verb reaches the field.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText implements encoding.TextMarshaler, and with it JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
