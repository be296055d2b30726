package conversation

import (
	"crypto/rand"
	"encoding/hex"
)

// newTrace starts a trace (W3C traceparent, sampled): platforms bring none that could be trusted.
func newTrace() string {
	var id [24]byte
	_, _ = rand.Read(id[:]) // never fails
	return "00-" + hex.EncodeToString(id[:16]) + "-" + hex.EncodeToString(id[16:]) + "-01"
}
