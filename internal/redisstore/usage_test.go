package redisstore

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"parley/internal/conversation"
)

// narrow is a way to Redis that carries so many bytes a tick back.
func narrow(t *testing.T, addr string, bytes int64, tick time.Duration) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", addr)
			if err != nil {
				_ = in.Close()
				return
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() {
				defer in.Close()
				for {
					if _, err := io.CopyN(in, out, bytes); err != nil {
						return
					}
					time.Sleep(tick)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// A large company's usage takes longer to read than one call may last; it is read all the same.
func TestUsageOfManyPeople(t *testing.T) {
	const people = 4000 // some 25 kB a shard
	mr := miniredis.RunT(t)
	for i := range people {
		key := prefix(conversation.Shard{Tenant: "acme", Index: i % conversation.Shards}) + "u:20000"
		who := conversation.Spender{User: fmt.Sprintf("%020d", i), Item: conversation.Item{Provider: "openai", Model: "gpt-4o-mini"}}
		mr.HSet(key, usageField(who), "1 1000 0 100 0")
	}
	s := open(t, Options{Addrs: []string{narrow(t, mr.Addr(), 4096, 40*time.Millisecond)}, Timeout: 2 * time.Second})
	u, err := s.Usage(context.Background(), "acme", 20000)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := u.Total(); len(u.Users) != people || got.Input != 1000*people {
		t.Errorf("%d people, %+v", len(u.Users), got)
	}
}
