package wecom

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// admin adds the simulator's own calls, for those who run it as a process of its own. They take and give the package's types as JSON;
// a fault in the input is answered 400 with what is wrong.
func (s *Sim) admin(mux *http.ServeMux) {
	mux.HandleFunc("POST /admin/apps", take(func(_ context.Context, a App) (any, error) { return nil, s.AddApp(a) }))
	mux.HandleFunc("POST /admin/push", take(func(ctx context.Context, in struct {
		Ref
		Message
	},
	) (any, error) {
		p, err := s.Push(ctx, in.Ref, in.Message)
		if err != nil && len(p.Tries) > 0 { // not acknowledged: the tries tell
			err = nil
		}
		return p, err
	}))
	mux.HandleFunc("POST /admin/verify", take(func(ctx context.Context, ref Ref) (any, error) { return nil, s.Verify(ctx, ref) }))
	mux.HandleFunc("POST /admin/revoke", take(func(_ context.Context, ref Ref) (any, error) { return nil, s.Revoke(ref) }))
	mux.HandleFunc("POST /admin/faults", take(func(_ context.Context, f Fault) (any, error) {
		if !strings.Contains(f.API, "/") && f.API != "gettoken" {
			return nil, errors.New("api: must be gettoken, message/send or another path below /cgi-bin/")
		}
		s.Inject(f)
		return nil, nil
	}))
	mux.HandleFunc("DELETE /admin/faults", func(http.ResponseWriter, *http.Request) { s.Heal() })
	mux.HandleFunc("GET /admin/stats", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.Stats()) })
	mux.HandleFunc("GET /admin/people", ask(func(ref Ref, _ string) any { return s.People(ref) }))
	mux.HandleFunc("GET /admin/shown", ask(func(ref Ref, user string) any { return s.Shown(ref, user) }))
	mux.HandleFunc("GET /admin/lost", ask(func(ref Ref, user string) any { return s.Lost(ref, user) }))
	mux.HandleFunc("GET /admin/posted", ask(func(ref Ref, user string) any { return s.Posted(ref, user) }))
}

// take decodes a request's JSON and answers with do's result, or 204 for none.
func take[T any](do func(context.Context, T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out, err := do(r.Context(), in)
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		case out == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			reply(w, out)
		}
	}
}

// ask answers a question about ?corp_id=&agent_id=&user=.
func ask(about func(Ref, string) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		agent, err := strconv.ParseInt(q.Get("agent_id"), 10, 64)
		if err != nil {
			http.Error(w, "agent_id: must be a number", http.StatusBadRequest)
			return
		}
		reply(w, about(Ref{CorpID: q.Get("corp_id"), AgentID: agent}, q.Get("user")))
	}
}
