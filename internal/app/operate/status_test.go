package operate_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/app/operate"
	"parley/internal/app/wire"
	"parley/internal/redisstore"
)

// TestStatusWithoutNacos: what one part cannot say must not hide what the others can.
func TestStatusWithoutNacos(t *testing.T) {
	t.Parallel()
	mr := miniredis.RunT(t)
	store, err := redisstore.New(redisstore.Options{Addrs: []string{mr.Addr()}, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.SetClient(t.Context(), "c1", []byte(`{"id":"c1","tenants":["acme"],"turns":3,"servers_left_out":["10.0.0.7:20880: upgrade the server"]}`), time.Hour); err != nil {
		t.Fatal(err)
	}
	b := &switchboard{t: t, dir: t.TempDir()}
	b.path = b.write("client.yaml", "live: {source: nacos}\nregistry: {mode: nacos, nacos: {addrs: ['127.0.0.1:1']}}\nredis: {addrs: ['"+mr.Addr()+"']}\n")
	out, err := b.run(func(env wire.Env) error { return operate.Status(t.Context(), env, b.path, false) })
	if err == nil || strings.Contains(err.Error(), "redis") || strings.Contains(err.Error(), "STARTING") {
		t.Errorf("the error is %v", err)
	}
	contains(t, out, "(not known: the registry, Nacos at 127.0.0.1:1, did not answer", "what is published as parley-degradation is not known: ",
		"no answer from Nacos at 127.0.0.1:1 within 8s", "c1", "c1 leaves out the server 10.0.0.7:20880: upgrade the server", "acme    0", "not known: the tenant's document could not be read")
	if strings.Contains(out, "none is registered") || strings.Contains(out, "no switch is in force") {
		t.Errorf("claims what is not known:\n%s", out)
	}
	_, err = b.run(func(env wire.Env) error {
		return operate.Degrade(t.Context(), env, b.path, operate.DegradeOptions{To: "chatglm"})
	})
	if err == nil || !strings.Contains(err.Error(), "no answer from Nacos at 127.0.0.1:1") || strings.Contains(err.Error(), "STARTING") {
		t.Errorf("degrade: %v", err)
	}
}

// TestStatusReadsTheDocuments: caps and names are judged by what is published; Redis away hides neither.
func TestStatusReadsTheDocuments(t *testing.T) {
	mr := miniredis.RunT(t)
	b := newSwitchboardWith(t, "switches: [{id: a, active: true, to: chatglm, tenants: [acme, acmee]}]")
	b.write("tenant.acme.yaml", "name: acme\nlimits: {tokens_per_day: 5000}\nmodel: nosuch\n")
	content := strings.Replace(b.file("client.yaml"), "[127.0.0.1:1]", "["+mr.Addr()+"]", 1) + "tenants: [acme, strict]\n"
	path := b.write("with-redis.yaml", content)
	out, err := b.run(func(env wire.Env) error { return operate.Status(t.Context(), env, path, false) })
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := mr.Set("parley:format", "9 9"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.run(func(env wire.Env) error { return operate.Status(t.Context(), env, path, false) }); err == nil || !strings.Contains(err.Error(), "data of format 9") {
		t.Errorf("of data that it cannot read: %v", err)
	}
	contains(t, out, "0 of 5000 (0%)", `switch "a" names the tenant acmee, which has no document tenant.acmee`, "OLDEST READY",
		"tenant.acme: what is published does not fit parley-routes:\n  model: no model \"nosuch\" stands in parley-routes, so every turn fails; write one of ")
	if strings.Contains(out, "tenant.strict: ") {
		t.Errorf("strict fits:\n%s", out)
	}
	out, err = b.run(func(env wire.Env) error { return operate.Status(t.Context(), env, b.path, true) })
	if err == nil || !strings.Contains(err.Error(), "redis at 127.0.0.1:1") {
		t.Errorf("without Redis: %v", err)
	}
	var report struct {
		Servers []struct{ Address string }
		Unknown map[string]string `json:"not_known"`
	}
	document, _, _ := strings.Cut(out, "\n}\n")
	if err := json.Unmarshal([]byte(document+"\n}"), &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(report.Servers) != 1 || report.Unknown["clients"] == "" || report.Unknown["servers"] != "" {
		t.Errorf("got %+v", report)
	}
	contains(t, out, `"in_force": "a → chatglm"`)
}
