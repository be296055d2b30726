package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley/internal/chat"
)

// The guard closes at 80 %, opens below 75 %, says each once, and does not stay shut by a Redis that tells nothing any more.
func TestMemoryGuard(t *testing.T) {
	var log bytes.Buffer
	var full float64
	var fail error
	g := newMemoryGuard(func(context.Context) (float64, error) { return full, fail }, slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	for i, step := range []struct {
		full   float64
		err    error
		age    time.Duration // of Redis's last word
		closed bool
		says   string
	}{
		{full: 0}, // no maxmemory
		{full: .79},
		{full: .8, closed: true, says: "nearly full"},
		{full: .95, closed: true},
		{full: .75, closed: true},
		{full: .749, says: "has room again"},
		{full: .79},
		{full: 1.2, closed: true, says: "nearly full"},
		{err: chat.E(chat.Timeout, "x", nil), closed: true},
		{err: chat.E(chat.Unavailable, "x", errors.New("NOPERM")), closed: true, says: "does not tell"},
		{err: chat.E(chat.Unavailable, "x", errors.New("NOPERM")), closed: true},
		{err: chat.E(chat.Unavailable, "x", errors.New("NOPERM")), age: time.Minute, says: "has not been known"},
		{full: .9, closed: true, says: "nearly full"},
	} {
		full, fail = step.full, step.err
		if step.age > 0 {
			g.seen = time.Now().Add(-step.age)
		}
		log.Reset()
		g.look(t.Context())
		err := g.refuses()
		if (err != nil) != step.closed {
			t.Errorf("step %d: refuses %v, want it closed: %t", i, err, step.closed)
		}
		if e, ok := errors.AsType[*chat.Error](err); step.closed && (!ok || e.Kind.HTTPStatus() != 503 || e.Code != chat.CodeMemory) {
			t.Errorf("step %d: %v is no 503 for the store's memory", i, err)
		}
		if said := log.String(); (step.says == "") != (said == "") || !strings.Contains(said, step.says) {
			t.Errorf("step %d: said %q, want %q", i, said, step.says)
		}
	}
}
