package rig

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

func TestNewNamespaceIsEmpty(t *testing.T) {
	addr := Need(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := &Rig{Dir: t.TempDir(), log: t.Output(), Nacos: Nacos{Addr: addr, Namespace: fmt.Sprintf("rig-test-%d-old", os.Getpid())}}
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
