package operate_test

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/liveconfig"
)

// TestCheckRefusesKeysThatCanBeGuessed: both entries face the internet. A company that has such keys in use is served all the same, with a warning.
func TestCheckRefusesKeysThatCanBeGuessed(t *testing.T) {
	const document = "name: acme\nchannels:\n  - {name: web, kind: web, access: token, tokens: [env:ACME_LONG, env:ACME_SHORT]}\n  - name: api\n    kind: openai\n    keys: env:ACME_SHORT\n"
	file := filepath.Join(t.TempDir(), "tenant.acme.yaml")
	put(t, file, document)
	t.Setenv("ACME_LONG", "0123456789abcdef")
	for short, faulty := range map[string]bool{"q": true, "0123456789abcde": true, "fedcba9876543210": false, "": false} {
		t.Setenv("ACME_SHORT", short)
		var out, log bytes.Buffer
		said := errText(operate.Check(t.Context(), wire.Env{Stdout: &out, Stderr: &out}, []string{file}, false))
		for _, want := range []string{file + ":3: channels[0].tokens: one has ", file + ":6: channels[1].keys: one has ", "openssl rand -hex 24"} {
			if strings.Contains(said, want) != faulty {
				t.Errorf("%d characters: says %s", len(short), said)
			}
		}
		if len(short) > 1 && strings.Contains(said, short) {
			t.Errorf("it is printed: %s", said)
		}
		if short == "" {
			continue // not on this machine: nobody knows
		}
		resolve := func(_, ref string) (chat.Secret, error) {
			return chat.NewSecret(map[string]string{"env:ACME_LONG": "0123456789abcdef", "env:ACME_SHORT": short}[ref]), nil
		}
		c, err := wire.DecodeCompany(liveconfig.Document{Name: "tenant.acme", Content: []byte(document)}, resolve,
			channel.Deps{Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatalf("a company in operation is stopped: %v", err)
		}
		c.Close()
		if strings.Count(log.String(), "level=WARN") != map[bool]int{true: 2}[faulty] {
			t.Errorf("%d characters: logs %s", len(short), &log)
		}
	}
}
