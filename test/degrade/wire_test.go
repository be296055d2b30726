package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// twoPorts serves on a port and 1000 above it, as Nacos does, and says on which of them.
func twoPorts(t *testing.T) string {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		g, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port+1000))
		if err != nil {
			_ = l.Close()
			continue
		}
		for name, l := range map[string]net.Listener{"http": l, "grpc": g} {
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
			_ = s.Listener.Close()
			s.Listener = l
			s.Start()
			t.Cleanup(s.Close)
		}
		return l.Addr().String()
	}
}

func TestWirePassesBothPortsUntilItIsCut(t *testing.T) {
	w, err := newWire(twoPorts(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cut)
	host, port, _ := net.SplitHostPort(w.addr)
	n, _ := strconv.Atoi(port)
	client := &http.Client{Timeout: 10 * time.Second}
	ask := func(port int) string {
		resp, err := client.Get("http://" + net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return "error"
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return string(b)
	}
	if got := ask(n) + ask(n+1000); got != "httpgrpc" {
		t.Errorf("through the wire: %q", got)
	}
	open, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	w.cut()
	w.cut()
	if got := ask(n) + ask(n+1000); got != "errorerror" {
		t.Errorf("after the cut: %q", got)
	}
	_ = open.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := open.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("a connection outlived the cut: %v", err)
	}
}
