package observability

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/wecom"
	"parley/test/rig"
)

// TestAThousandTenantsCanBeScraped has one client service serve a thousand tenants, each of whom is written to. What its processes tell stays within
// five thousand series.
func TestAThousandTenantsCanBeScraped(t *testing.T) {
	const tenants, most = 1000, 5000
	rig.Need(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	r, err := rig.New(ctx, rig.Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	company, err := r.NewCompany(ctx, nil, 0)
	must(err)
	live := t.TempDir()
	document := func(name, content string) {
		must(os.WriteFile(filepath.Join(live, name+".yaml"), []byte(content), 0o600))
	}
	document("parley-routes", "providers: {a: {dialect: simulated}}\nmodels: {chat: [a/m]}\n")
	env := company.Env()
	for i := range tenants {
		name := fmt.Sprintf("t%d", i)
		document("tenant."+name, fmt.Sprintf("name: %s\nmodel: chat\nchannels: [{name: app, kind: wecom, corp_id: %s, agent_id: %d, secret: env:%[4]s_SECRET, token: env:%[4]s_TOKEN, aes_key: env:%[4]s_AES}]\n",
			name, company.App.CorpID, company.App.AgentID, strings.ToUpper(name)))
		for _, v := range company.Env() {
			env = append(env, strings.Replace(v, "ACME", strings.ToUpper(name), 1))
		}
	}
	files := fmt.Sprintf("live:     {source: file, dir: %q}\n", live)
	server, err := r.StartNode(ctx, "server", "server", nil, func(addr, ops string) string {
		return fmt.Sprintf("rpc:      {listen: %q}\nhttp:     {ops: %q}\nregistry: {mode: direct, direct: [%q]}\n", addr, ops, addr) + files
	})
	must(err)
	client, err := r.StartNode(ctx, "client", "client", env, func(addr, ops string) string {
		return fmt.Sprintf("http:     {listen: %q, ops: %q}\nredis:    {addrs: [%q]}\nplatforms: {wecom: %q}\nregistry: {mode: direct, direct: [%q]}\n",
			addr, ops, r.Redis.Addr, company.Platform, server.Addr) + files
	})
	must(err)
	must(company.Entry(client.Addr)) // the sends are this application's, whoever's they are
	for i := range tenants {
		query, body, err := wecom.Seal(company.App, wecom.Message{User: fmt.Sprint("u", i), Type: "text", Text: "hello", ID: strconv.Itoa(1000 + i), CreatedAt: time.Now()}, time.Now())
		must(err)
		post(ctx, fmt.Sprintf("http://%s/callback/t%d/app?%s", client.Addr, i, query.Encode()), "text/xml", "", body)
	}
	var m rig.Metrics
	for done, rounds := 0.0, 0; done < tenants || rounds < 8; rounds++ { // the gauges of the store are made every five seconds
		if rounds > 90 {
			t.Fatalf("%v of %d turns are answered", done, tenants)
		}
		time.Sleep(time.Second)
		m, err = client.Metrics(ctx)
		must(err)
		done = m.Sum("parley_turns_total", `result="answered"`)
	}
	other, err := server.Metrics(ctx)
	must(err)
	t.Logf("the client service tells %d series, the server %d", len(m), len(other))
	if len(m) > most || len(other) > most {
		t.Errorf("more than %d", most)
	}
	if v := m.Sum("parley_turns_total", `tenant="other"`); v != tenants-100 {
		t.Errorf("%v turns are summed up as other, want those of %d tenants", v, tenants-100)
	}
}
