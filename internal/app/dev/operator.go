package dev

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"time"
)

// Operator is what the panel of the operator's switch works with. Its methods may be called at any time, by several pages at once.
type Operator interface {
	// Standing tells how things stand on the server. It does not block.
	Standing() Standing
	// Degrade and Restore are `parley degrade` and `parley restore`. They block until the change is in force, or failed; one that
	// objections forbid, or that nothing is left to do for, is an error too. With ErrReadOnly nothing was tried.
	Degrade(ctx context.Context, to, reason string) (Act, error)
	Restore(ctx context.Context, ramp time.Duration, reason string) (Act, error)
	// Break makes a simulated provider answer errors only, or mends it. A real one cannot be broken: that is an error.
	Break(provider string, broken bool) error
}

// ErrReadOnly says that the live documents are not the page's to change.
var ErrReadOnly = errors.New("the live documents here are your own: this page shows them and never writes them; use parley degrade and parley restore")

// Standing is who answers now, and why.
type Standing struct {
	ReadOnly bool `json:"read_only"`
	// Config is a file for `parley degrade --config`: the way to the same switch from a terminal.
	Config string  `json:"config"`
	Models []Model `json:"models"` // of the first of Routes, in their order
	Routes []Route `json:"routes"`
	// Switches are those in force on the server, the first that fits decides.
	Switches []Switch `json:"switches"`
	Document Document `json:"document"`
	Answers  []Answer `json:"answers"` // the newest first
}

// Route is one tenant's class of models and where its turns go.
type Route struct {
	Tenant string   `json:"tenant"`
	Class  string   `json:"class"`
	Normal []string `json:"normal"` // provider/model without any switch: the first choice and its fallbacks
	Now    []string `json:"now"`    // with the switches
}

// Model is a provider's model.
type Model struct {
	Provider  string `json:"provider"`
	Model     string `json:"model"`
	Name      string `json:"name"`      // what people call it
	Simulated bool   `json:"simulated"` // in this process
	Key       string `json:"key"`       // the environment variable that makes a simulated one real
	Broken    bool   `json:"broken"`    // answers errors only, by [Operator.Break]
	Avoided   bool   `json:"avoided"`   // the server keeps turns away from it after errors
	Keyless   bool   `json:"keyless"`   // it has no key that can be used now
}

// Switch is an operator's switch in force.
type Switch struct {
	ID     string     `json:"id"`
	To     string     `json:"to"`
	Share  float64    `json:"share"` // of the conversations that it takes now
	By     string     `json:"by"`
	Reason string     `json:"reason"`
	Until  *time.Time `json:"until,omitempty"`
}

// Document is parley-degradation on the server.
type Document struct {
	Revision string    `json:"revision"` // empty: none
	Since    time.Time `json:"since"`
	Refused  string    `json:"refused"` // why the newest form is not in force
}

// Act is what an operator's change came to.
type Act struct {
	Revision string  `json:"revision"` // in force now
	Took     float64 `json:"took"`     // milliseconds from the click to in force on the server; 0: nothing was to be changed
	Output   string  `json:"output"`   // what the command prints: the plan, the difference, how far it came
	Audit    string  `json:"audit"`    // the audit record, a line of JSON; empty: nothing was changed
}

// Operate gives the page its operator's panel, before it serves.
func (p *Page) Operate(o Operator) { p.operator = o }

// actFor bounds an operator's change.
const actFor = 20 * time.Second

// maxRamp is the longest return by share that the page offers to make.
const maxRamp = time.Hour

func (p *Page) serveStanding(w http.ResponseWriter, _ *http.Request) {
	if p.operator == nil {
		fail(w, http.StatusNotFound, "not_found", "there is no switch here")
		return
	}
	s := p.operator.Standing()
	s.Answers = p.answers.list()
	answer(w, s)
}

func (p *Page) serveDegrade(w http.ResponseWriter, r *http.Request) {
	var in struct{ To, Reason string }
	if !p.read(w, r, &in) {
		return
	}
	if in.To == "" || len(in.To) > 200 || len(in.Reason) > 1000 {
		fail(w, http.StatusBadRequest, "invalid", "to: name a provider, or provider/model; reason: at most 1000 bytes")
		return
	}
	p.act(w, r, func(ctx context.Context) (Act, error) { return p.operator.Degrade(ctx, in.To, in.Reason) })
}

func (p *Page) serveRestore(w http.ResponseWriter, r *http.Request) {
	var in struct{ Ramp, Reason string }
	if !p.read(w, r, &in) {
		return
	}
	var ramp time.Duration
	if in.Ramp != "" {
		var err error
		if ramp, err = time.ParseDuration(in.Ramp); err != nil || ramp < time.Second || ramp > maxRamp {
			fail(w, http.StatusBadRequest, "invalid", "ramp: a time from 1s to 1h, like 1m")
			return
		}
	}
	if len(in.Reason) > 1000 {
		fail(w, http.StatusBadRequest, "invalid", "reason: at most 1000 bytes")
		return
	}
	p.act(w, r, func(ctx context.Context) (Act, error) { return p.operator.Restore(ctx, ramp, in.Reason) })
}

func (p *Page) serveBreak(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Provider string
		Broken   *bool
	}
	if !p.read(w, r, &in) {
		return
	}
	if in.Broken == nil {
		fail(w, http.StatusBadRequest, "invalid", "broken: true or false")
		return
	}
	if err := p.operator.Break(in.Provider, *in.Broken); err != nil {
		fail(w, http.StatusConflict, code(err), err.Error())
		return
	}
	answer(w, struct{}{})
}

// act runs one change to its end, also when the page that asked for it is closed.
func (p *Page) act(w http.ResponseWriter, r *http.Request, f func(context.Context) (Act, error)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), actFor)
	defer cancel()
	a, err := f(ctx)
	if err != nil {
		status := http.StatusConflict
		if errors.Is(err, ErrReadOnly) {
			status = http.StatusForbidden
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code(err), "message": err.Error()}, "act": a})
		return
	}
	answer(w, a)
}

func code(err error) string {
	if errors.Is(err, ErrReadOnly) {
		return "read_only"
	}
	return "refused"
}

// read takes the JSON body of a request of our own page ([Page.ServeHTTP] has looked where it comes from), or answers why not.
func (p *Page) read(w http.ResponseWriter, r *http.Request, into any) bool {
	if p.operator == nil {
		fail(w, http.StatusNotFound, "not_found", "there is no switch here")
		return false
	}
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "invalid", "Content-Type: use application/json")
		return false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		fail(w, http.StatusBadRequest, "invalid", "the body is not the JSON expected: "+err.Error())
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v)
}
