package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley/internal/app"
	"parley/internal/app/wire"
)

// lockedBuffer is written to by several loggers.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// devRun is a running `parley dev`.
type devRun struct {
	addr string
	logs *lockedBuffer
}

// startDev runs the whole of `parley dev` and returns the address that it prints.
func startDev(t *testing.T) string {
	t.Helper()
	return startDevWith(t, app.DevOptions{}).addr
}

func startDevWith(t *testing.T, o app.DevOptions) devRun {
	t.Helper()
	for _, name := range []string{"OPENAI_API_KEY", "ZHIPU_API_KEY", "QIANFAN_API_KEY"} {
		if !strings.HasPrefix(os.Getenv(name), "of-the-test") {
			t.Setenv(name, "")
		}
	}
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	logs := &lockedBuffer{}
	o.HTTP = "127.0.0.1:0"
	go func() {
		done <- app.RunDev(ctx, wire.Env{Stdout: w, Stderr: logs, Version: "test"}, o)
		_ = w.Close()
	}()
	addr := ""
	in := bufio.NewScanner(r)
	for addr == "" && in.Scan() {
		addr = regexp.MustCompile(`http://127\.0\.0\.1:\d+/$`).FindString(in.Text())
	}
	if addr == "" {
		t.Fatalf("no address was printed; %v", <-done)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("parley dev ended with %v; its log:\n%s", err, logs)
			}
			http.DefaultClient.CloseIdleConnections()
			left := goleak.Find(before)
			for i := 0; left != nil && i < 20; i++ { // each waits half a second, which alone is short for what winds down on a busy machine
				left = goleak.Find(before)
			}
			if left != nil {
				t.Errorf("after the end: %v", left)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("parley dev does not end")
		}
	})
	return devRun{strings.TrimSuffix(addr, "/"), logs}
}

func post(t *testing.T, c *http.Client, url string, body any) string {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Post(url, "application/json", bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	out, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("POST %s: %s: %s", url, res.Status, out)
	}
	return string(out)
}

// follow reads an event stream until seen says so.
func follow(t *testing.T, c *http.Client, url string, seen func(event, data string) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	event := ""
	in := bufio.NewScanner(res.Body)
	for in.Scan() {
		switch name, value, _ := strings.Cut(in.Text(), ": "); name {
		case "event":
			event = value
		case "data":
			if seen(event, value) {
				return
			}
		}
	}
	t.Fatalf("%s ended before what was awaited: %v", url, in.Err())
}

// Every phone: a message goes the platform's way in, its reply the platform's way out, and the next one's answer knows it.
func TestDevAnswersOnEachPhoneWithContext(t *testing.T) {
	addr := startDev(t)
	for _, phone := range []struct{ name, way string }{{"app", "message/send"}, {"bot", "stream"}, {"kf", "kf/send_msg"}, {"ding", "card/streaming"}, {"lark", "cardkit/v1/cards"}} {
		t.Run(phone.name, func(t *testing.T) {
			replies := []string{"第一个问题", "第 2 个问题", "/reset"}
			for i, text := range []string{"第一个问题", "第二个问题", "/help"} {
				post(t, http.DefaultClient, addr+"/dev/phones/"+phone.name+"/messages", map[string]string{"user": "zhangsan", "text": text})
				whole := 0
				follow(t, http.DefaultClient, addr+"/dev/phones/events", func(event, data string) bool {
					var e struct {
						Phone, Way, Text string
						Part             bool
					}
					if err := json.Unmarshal([]byte(data), &e); err != nil {
						t.Fatal(err)
					}
					if event != "shown" || e.Phone != phone.name || e.Part {
						return false
					}
					if whole++; whole <= i {
						return false
					}
					if !strings.Contains(e.Text, replies[i]) || i < 2 && e.Way != phone.way { // a command's text may come another way
						t.Errorf("reply %d by %s: %s, want it to hold %q and to come by %s", i, e.Way, e.Text, replies[i], phone.way)
					}
					return true
				})
			}
		})
	}
}

// The key in the page opens the API.
func TestDevAnswersPrograms(t *testing.T) {
	addr := startDev(t)
	res, err := http.Get(addr)
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`data-key="([^"]+)" data-model="([^"]+)"`).FindSubmatch(page)
	if m == nil {
		t.Fatal("the page shows no key")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, addr+"/v1/chat/completions",
		strings.NewReader(`{"model":"`+string(m[2])+`","messages":[{"role":"user","content":"程序的问题"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+string(m[1]))
	req.Header.Set("Content-Type", "application/json")
	if res, err = http.DefaultClient.Do(req); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK || !strings.Contains(string(body), "程序的问题") {
		t.Errorf("%s: %s", res.Status, body)
	}
}

func TestDevStreamsInTheWebChat(t *testing.T) {
	addr := startDev(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar}
	defer c.CloseIdleConnections()
	res, err := c.Get(addr + "/chat/demo/web")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	live, final := 0, ""
	follow(t, c, addr+"/chat/demo/web/events", func(event, data string) bool {
		switch event {
		case "ready": // now, since what is written before somebody looks is not streamed
			post(t, c, addr+"/chat/demo/web/messages", map[string]string{"id": "m1", "text": "网页里的问题"})
		case "live":
			live++
		case "part":
			final = data
		}
		return final != ""
	})
	if live < 2 {
		t.Errorf("%d live events came before the reply: it did not stream", live)
	}
	if !strings.Contains(final, "网页里的问题") {
		t.Errorf("the reply: %s", final)
	}
}
