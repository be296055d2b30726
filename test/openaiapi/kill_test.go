package openaiapi

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	goopenai "github.com/sashabaranov/go-openai"

	"parley/internal/sim/llm"
)

// A server that dies before the first word costs a caller nothing but time; one that dies after it ends the stream with an error, never with a
// text that looks complete.
func TestAServerDies(t *testing.T) {
	s := newStage(t, llm.Pace{First: 10 * time.Second, Between: 5 * time.Millisecond})
	const callers = 12
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			person := fmt.Sprint("before-", i)
			req := question(person)
			if i%2 == 0 {
				got, err := s.via(i/2%2, keyOfAcme).CreateChatCompletion(s.ctx, req)
				if err != nil || !answers(got.Choices[0].Message.Content, req.Messages) {
					t.Errorf("%s: %+v, %v", person, got.Choices, err)
				}
				return
			}
			stream, err := s.via(i/2%2, keyOfAcme).CreateChatCompletionStream(s.ctx, req)
			if err != nil {
				t.Errorf("%s: %v", person, err)
				return
			}
			if got, _, err := drain(stream); err != nil || !answers(got, req.Messages) {
				t.Errorf("%s: %q, %v", person, got, err)
			}
		})
	}
	s.eventually("all are being answered", func() bool { return len(s.entries("before-")) == callers })
	s.servers[0].Kill()
	wg.Wait()
	if n := len(s.entries("before-")); n <= callers {
		t.Errorf("%d calls to the model: the server that was killed answered nobody", n)
	}

	again, err := s.servers[0].Restart(s.ctx)
	s.must(err)
	s.servers[0] = again
	s.must(s.model.SetPace(s.ctx, llm.Pace{Between: 100 * time.Millisecond, Chunks: 1000}))
	var streams []*goopenai.ChatCompletionStream
	for i := range 6 {
		stream, err := s.via(i%2, keyOfAcme).CreateChatCompletionStream(s.ctx, question("after"))
		s.must(err)
		_, err = stream.Recv()
		s.must(err)
		streams = append(streams, stream)
	}
	for _, server := range s.servers {
		server.Kill()
	}
	for _, stream := range streams {
		text, _, err := drain(stream)
		if e, ok := errors.AsType[*goopenai.APIError](err); !ok || e.Type != "server_error" {
			t.Errorf("after %q: %v", text, err)
		}
	}
}

// A client service that ends lets answers end; one that is killed leaves the other's callers alone.
func TestAClientServiceEnds(t *testing.T) {
	s := newStage(t, llm.Pace{Between: 50 * time.Millisecond, Chunks: 120}) // 6 s
	open := func(replica int) *goopenai.ChatCompletionStream {
		t.Helper()
		stream, err := s.via(replica, keyOfAcme).CreateChatCompletionStream(s.ctx, question("long"))
		s.must(err)
		_, err = stream.Recv()
		s.must(err)
		return stream
	}
	mine, others := open(0), open(1)
	s.clients[1].Kill()
	if _, _, err := drain(others); err == nil {
		t.Error("a stream of a process that was killed looks complete")
	}
	ended := make(chan error, 1)
	go func() { ended <- s.clients[0].Term(time.Minute) }()
	if text, _, err := drain(mine); err != nil || len(text) < 100 {
		t.Errorf("%q, %v", text, err)
	}
	s.must(<-ended)
}
