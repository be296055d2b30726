package route

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"gopkg.in/yaml.v3"
)

// Bounds of a ramp. A longer return is not a return but a second way to run.
const (
	minRamp = time.Second
	maxRamp = 24 * time.Hour
)

// InForce reports whether the switch is on at a time. While it ramps it is on, for ever fewer conversations.
func (s *Switch) InForce(now time.Time) bool {
	return s.Active && (s.Until.IsZero() || now.Before(s.Until))
}

// Share is the part of the conversations that the switch takes at a time: 1 in force, 0 not, and in the last Ramp before Until falling from
// 1 to 0 linearly.
func (s *Switch) Share(now time.Time) float64 {
	switch {
	case !s.InForce(now):
		return 0
	case s.Until.IsZero() || s.Ramp <= 0:
		return 1
	}
	return min(1, float64(s.Until.Sub(now))/float64(s.Ramp))
}

// takes reports whether the switch takes a conversation's turns at a time. One that has returned stays returned while the switch's until and
// ramp stay: its place in the order is its own, the same on every server.
func (s *Switch) takes(w Want) bool {
	share := s.Share(w.Now)
	return share >= 1 || share > 0 && place(w.Tenant, w.Conversation) < share
}

// place is a conversation's own number in [0, 1), evenly spread: those with a high one return first. Servers must agree on it, so it
// is no hash that is seeded by process.
func place(tenant, conversation string) float64 {
	sum := sha256.Sum256([]byte(tenant + "\x00" + conversation))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// ramp reads a switch's ramp; whether it has an end to run up to is judged with the whole switch.
func (d *decoder) ramp(n *yaml.Node, where string) time.Duration {
	s := d.text(n, where)
	if s == "" {
		return 0
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < minRamp || v > maxRamp {
		d.faultf(n, where, "must be a time from %v to %.0fh, like 15m, or empty", minRamp, maxRamp.Hours())
		return 0
	}
	return v
}
