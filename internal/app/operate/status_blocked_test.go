package operate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/redisstore"
)

// TestStatusShowsBlockedChannels: which platform refuses what is sent, in its words, from each client service that meets it.
func TestStatusShowsBlockedChannels(t *testing.T) {
	t.Parallel()
	mr := miniredis.RunT(t)
	store, err := redisstore.New(redisstore.Options{Addrs: []string{mr.Addr()}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	for id, doc := range map[string]string{
		"c1": `{"id":"c1","tenants":["acme"],"blocked":[{"tenant":"acme","channel":"app","code":"60020","why":"wecom.send: forbidden 60020: from ip: 203.0.113.7","since":"2026-11-22T08:00:00Z"}]}`,
		"c2": `{"id":"c2","tenants":["acme"]}`,
	} {
		if err := store.SetClient(t.Context(), id, []byte(doc), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	b := newSwitchboardWith(t, "switches: []")
	path := b.write("with-redis.yaml", strings.Replace(b.file("client.yaml"), "[127.0.0.1:1]", "["+mr.Addr()+"]", 1)+"tenants: [acme]\n")
	out, err := b.run(func(env wire.Env) error { return operate.Status(t.Context(), env, path, false) })
	if err != nil && !strings.Contains(err.Error(), "tenant.acme") {
		t.Fatalf("%v\n%s", err, out)
	}
	contains(t, out, "POSTPONED", "REFUSES ALL", "acme/app", "since 2026-11-22T", "wecom.send: forbidden 60020: from ip: 203.0.113.7")
	_, blocked, _ := strings.Cut(out, "REFUSES ALL")
	if strings.Contains(blocked, "c2") {
		t.Errorf("c2 meets no refusal:\n%s", out)
	}
	out, _ = b.run(func(env wire.Env) error { return operate.Status(t.Context(), env, path, true) })
	contains(t, out, `"postponed": 0`, `"code": "60020"`)
}
