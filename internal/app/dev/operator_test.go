package dev

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// board notes what the page asks of its operator.
type board struct {
	asked []string
	err   error
}

func (b *board) Standing() Standing {
	return Standing{Config: "client.yaml", Models: []Model{{Provider: "openai", Model: "gpt-4o-mini", Name: "ChatGPT"}}, Switches: []Switch{}}
}

func (b *board) Degrade(ctx context.Context, to, reason string) (Act, error) {
	if _, ok := ctx.Deadline(); !ok {
		b.asked = append(b.asked, "without a deadline")
	}
	b.asked = append(b.asked, fmt.Sprintf("degrade %s %s", to, reason))
	return Act{Revision: "r1", Took: 12.5, Output: "the plan", Audit: `{"msg":"audit"}`}, b.err
}

func (b *board) Restore(_ context.Context, ramp time.Duration, reason string) (Act, error) {
	b.asked = append(b.asked, fmt.Sprintf("restore %v %s", ramp, reason))
	return Act{Revision: "r2"}, b.err
}

func (b *board) Break(provider string, broken bool) error {
	b.asked = append(b.asked, fmt.Sprintf("break %s %v", provider, broken))
	return b.err
}

func TestOperatorsActs(t *testing.T) {
	refused := errors.New("refused, nothing was changed: the breaker of chatglm is open")
	tests := []struct {
		name, path, body string
		err              error
		want             int
		asked            string
		says             string
	}{
		{"degrade", "degrade", `{"to":"chatglm","reason":"故障"}`, nil, 200, "degrade chatglm 故障", "the plan"},
		{"degrade to a model", "degrade", `{"to":"ernie/ernie-5"}`, nil, 200, "degrade ernie/ernie-5 ", "r1"},
		{"degrade nowhere", "degrade", `{"reason":"x"}`, nil, 400, "", "to: name a provider"},
		{"degrade with a novel for a reason", "degrade", `{"to":"ernie","reason":"` + strings.Repeat("x", 1001) + `"}`, nil, 400, "", "reason"},
		{"refused, with what the command said", "degrade", `{"to":"chatglm"}`, refused, 409, "degrade chatglm ", "the plan"},
		{"refused, and why", "degrade", `{"to":"chatglm"}`, refused, 409, "degrade chatglm ", "the breaker of chatglm is open"},
		{"read only", "degrade", `{"to":"chatglm"}`, ErrReadOnly, 403, "degrade chatglm ", "read_only"},
		{"restore", "restore", `{}`, nil, 200, "restore 0s ", "r2"},
		{"restore by ramp", "restore", `{"ramp":"1m","reason":"r"}`, nil, 200, "restore 1m0s r", "r2"},
		{"a ramp that is none", "restore", `{"ramp":"soon"}`, nil, 400, "", "from 1s to 1h"},
		{"a ramp without end", "restore", `{"ramp":"48h"}`, nil, 400, "", "from 1s to 1h"},
		{"a ramp that goes back", "restore", `{"ramp":"-1m"}`, nil, 400, "", "from 1s to 1h"},
		{"break", "break", `{"provider":"openai","broken":true}`, nil, 200, "break openai true", "{}"},
		{"mend", "break", `{"provider":"openai","broken":false}`, nil, 200, "break openai false", "{}"},
		{"neither", "break", `{"provider":"openai"}`, nil, 400, "", "broken: true or false"},
		{"break what cannot be", "break", `{"provider":"openai","broken":true}`, refused, 409, "break openai true", "refused"},
		{"no JSON", "degrade", `to=chatglm`, nil, 400, "", "JSON"},
		{"an unknown key", "degrade", `{"to":"chatglm","tenant":"acme"}`, nil, 400, "", "tenant"},
		{"too large", "degrade", `{"to":"` + strings.Repeat("x", 5000) + `"}`, nil, 400, "", "too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &board{err: tt.err}
			p := New(Options{})
			p.Operate(b)
			w := get(t, p, "POST", "http://localhost:8080/dev/operator/"+tt.path, tt.body, "Content-Type", "application/json", "Origin", "http://localhost:8080")
			if w.Code != tt.want || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("= %d %s, want %d with %q", w.Code, w.Body, tt.want, tt.says)
			}
			if diff := cmp.Diff(tt.asked, strings.Join(b.asked, "; ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// No page but our own may flip the switch, and none by a form.
func TestWhoMayFlipTheSwitch(t *testing.T) {
	const js, js8 = "application/json", "application/json; charset=utf-8"
	tests := []struct {
		name, method, target string
		header               []string
		want                 int
	}{
		{"our page", "POST", "http://127.0.0.1:8080",
			[]string{"Content-Type", js8, "Origin", "http://127.0.0.1:8080", "Sec-Fetch-Site", "same-origin"}, 200},
		{"a program on this machine", "POST", "http://127.0.0.1:8080", []string{"Content-Type", js}, 200},
		{"another site's page", "POST", "http://127.0.0.1:8080", []string{"Content-Type", js, "Sec-Fetch-Site", "cross-site"}, 403},
		{"another origin, an old browser", "POST", "http://127.0.0.1:8080", []string{"Content-Type", js, "Origin", "https://evil.example"}, 403},
		{"a page on another port of this machine", "POST", "http://127.0.0.1:8080",
			[]string{"Content-Type", js, "Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:3000"}, 403},
		{"a page without an origin", "POST", "http://127.0.0.1:8080", []string{"Content-Type", js, "Origin", "null"}, 403},
		{"a name that somebody pointed here", "POST", "http://evil.example", []string{"Content-Type", js, "Origin", "http://evil.example"}, 403},
		{"a form", "POST", "http://127.0.0.1:8080", []string{"Content-Type", "text/plain"}, 415},
		{"no type", "POST", "http://127.0.0.1:8080", nil, 415},
		{"an image's address", "GET", "http://127.0.0.1:8080", []string{"Content-Type", js}, 405},
	}
	for _, path := range []string{"degrade", "restore", "break"} {
		for _, tt := range tests {
			t.Run(path+"/"+tt.name, func(t *testing.T) {
				b := &board{}
				p := New(Options{})
				p.Operate(b)
				body := map[string]string{"degrade": `{"to":"chatglm"}`, "restore": `{}`, "break": `{"provider":"openai","broken":true}`}[path]
				w := get(t, p, tt.method, tt.target+"/dev/operator/"+path, body, tt.header...)
				if w.Code != tt.want {
					t.Errorf("= %d %s, want %d", w.Code, w.Body, tt.want)
				}
				if (len(b.asked) > 0) != (tt.want == 200) {
					t.Errorf("asked of the operator: %q", b.asked)
				}
			})
		}
	}
}

func TestStanding(t *testing.T) {
	p := New(Options{})
	for _, path := range []string{"", "/degrade"} {
		method := map[string]string{"": "GET", "/degrade": "POST"}[path]
		if w := get(t, p, method, "http://localhost/dev/operator"+path, `{"to":"x"}`, "Content-Type", "application/json"); w.Code != 404 {
			t.Errorf("%s without a switch = %d", path, w.Code)
		}
	}
	p.Operate(&board{})
	p.Answered(Answer{Turn: "1", Question: "你好", Text: "你也好", Provider: "chatglm", Model: "glm-4.6", Fallback: true})
	w := get(t, p, "GET", "http://localhost/dev/operator", "")
	var got struct {
		Config  string
		Models  []struct{ Name string }
		Answers []struct{ Question, Provider, Text string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if got.Config != "client.yaml" || got.Models[0].Name != "ChatGPT" || len(got.Answers) != 1 || got.Answers[0].Provider != "chatglm" || got.Answers[0].Text != "" {
		t.Errorf("standing = %s", w.Body)
	}
}
