package rig

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
)

func TestModelsLedgerAndRules(t *testing.T) {
	origin, stop, err := llm.New(llm.Options{}).Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	ctx, m := t.Context(), &Model{Origin: origin}
	ask := func() int {
		t.Helper()
		resp, err := http.Post(origin+"/v1/chat/completions", "application/json",
			strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hello"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if err := m.SetRules(ctx, llm.Rule{Fault: llm.Fault{Kind: llm.FaultStatus, Status: 503}}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if got := ask(); got != 503 {
		t.Errorf("by the rule: status %d", got)
	}
	if err := m.SetRules(ctx); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != 200 {
		t.Errorf("without rules: status %d", got)
	}
	list, err := m.Ledger(ctx)
	if err != nil || len(list) != 2 {
		t.Fatalf("ledger %v, %v", list, err)
	}
	if list[0].Outcome != llm.Faulted || list[1].Outcome != llm.Finished || list[1].Last != "hello" || list[0].At.Before(began) || list[1].At.Before(list[0].At) {
		t.Errorf("ledger %+v", list)
	}
	if err := m.Forget(ctx); err != nil {
		t.Fatal(err)
	}
	if list, err := m.Ledger(ctx); err != nil || len(list) > 0 {
		t.Errorf("forgotten: %v, %v", list, err)
	}
}

func TestNewNamespaceIsEmpty(t *testing.T) {
	addr := Need(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := &Rig{Dir: t.TempDir(), log: t.Output(), Nacos: Nacos{addr, fmt.Sprintf("rig-test-%d-old", os.Getpid())}}
	if err := r.Nacos.create(ctx); err != nil {
		t.Fatal(err)
	}
	exists := func(n Nacos) bool {
		body, err := get(ctx, "http://"+addr+"/nacos/v1/cs/configs?"+n.config("doc").Encode())
		if err == nil {
			body.Close()
		}
		return err == nil
	}
	if err := r.Publish(ctx, "doc", "one"); err != nil {
		t.Fatal(err)
	}
	old := r.Nacos
	if err := r.NewNamespace(ctx); err != nil {
		t.Fatal(err)
	}
	if r.Nacos.Namespace == old.Namespace || exists(r.Nacos) || !exists(old) {
		t.Errorf("in %s the document exists: %t, in the old one: %t", r.Nacos.Namespace, exists(r.Nacos), exists(old))
	}
	r.Close()
	for exists(old) { // Nacos forgets a moment after it said so
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("after Close the old namespace's document is there")
		}
	}
	if err := r.Nacos.drop(ctx, nil); err != nil {
		t.Error(err)
	}
}
