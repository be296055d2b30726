package tracing

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/internal/sim/llm"
	"parley/test/rig"
)

// stage is a company with two client services behind one entry, and two servers.
type stage struct {
	*testing.T
	rig     *rig.Rig
	company rig.Company
	model   *rig.Model
	clients []*rig.Node
	servers []*rig.Node
}

// newStage starts programs that send every trace to the endpoint.
func newStage(ctx context.Context, t *testing.T, endpoint string, each int) *stage {
	t.Helper()
	for name, value := range map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1"} {
		t.Setenv(name, value)
	}
	r, err := rig.New(ctx, rig.Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			r.Keep()
		}
		r.Close()
	})
	s := &stage{T: t, rig: r}
	s.company, err = r.NewCompany(ctx, nil, -1)
	s.must(err)
	s.model, err = r.StartModel(ctx, llm.Pace{Chunks: 4, Between: 5 * time.Millisecond})
	s.must(err)
	var addresses []string
	for i := range each {
		server, err := r.StartServer(ctx, fmt.Sprint("server-", i+1), s.model.Origin, "")
		s.must(err)
		client, err := r.StartClient(ctx, fmt.Sprint("client-", i+1), s.company, "")
		s.must(err)
		s.servers, s.clients, addresses = append(s.servers, server), append(s.clients, client), append(addresses, client.Addr)
	}
	entry, err := rig.NewBalancer(addresses...)
	s.must(err)
	t.Cleanup(entry.Close)
	s.must(s.company.Entry(entry.Addr))
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) say(ctx context.Context, user, text string) {
	s.Helper()
	_, err := s.company.Sim.Say(ctx, s.company.App.Ref, user, text)
	s.must(err)
}

// shown waits until a person was shown n messages.
func (s *stage) shown(ctx context.Context, user string, n int) {
	s.Helper()
	if got, err := s.company.Sim.Await(ctx, s.company.App.Ref, user, n); err != nil {
		s.Fatalf("%s was shown %d of %d: %v", user, len(got), n, err)
	}
}

// completed is one request of a program, which is answered.
func (s *stage) completed(ctx context.Context) {
	s.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.clients[0].Addr+"/v1/chat/completions",
		strings.NewReader(`{"model":"chat","user":"`+private+`","messages":[{"role":"user","content":"`+private+`"}]}`))
	s.must(err)
	req.Header.Set("Authorization", "Bearer "+s.company.APIKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	s.must(err)
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		s.Fatalf("%s: %s", resp.Status, body)
	}
}

// asked waits until the model has n calls under way.
func (s *stage) asked(ctx context.Context, n int) {
	s.Helper()
	for {
		st, err := s.model.Stats(ctx)
		if err == nil && st.Running == n {
			return
		}
		select {
		case <-ctx.Done():
			s.Fatalf("%d calls of the model: %+v, %v", n, st, err)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// busiest is the client service that owns the most turns.
func (s *stage) busiest(ctx context.Context) (found *rig.Node) {
	s.Helper()
	most := 0.0
	for _, c := range s.clients {
		m, err := c.Metrics(ctx)
		s.must(err)
		if n := m.Sum("parley_turns_in_flight"); n > most {
			found, most = c, n
		}
	}
	if found == nil {
		s.Fatal("nobody owns a turn")
	}
	return found
}

// leave ends all programs in good order: each sends the spans it still has.
func (s *stage) leave() {
	s.Helper()
	for _, n := range append(s.clients, s.servers...) {
		if n.Alive() {
			s.must(n.Term(time.Minute))
		}
	}
}
