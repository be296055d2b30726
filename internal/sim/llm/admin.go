package llm

import (
	"encoding/json"
	"net/http"
)

// admin is the controls below /_sim/.
func (s *Server) admin() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sim/ledger", get(s.Ledger))
	mux.HandleFunc("DELETE /_sim/ledger", func(http.ResponseWriter, *http.Request) { s.ledger.clear() })
	mux.HandleFunc("GET /_sim/stats", get(s.Stats))
	mux.HandleFunc("GET /_sim/keys", get(s.Keys))
	mux.HandleFunc("GET /_sim/rules", get(s.rules.get))
	mux.HandleFunc("PUT /_sim/rules", put(s.SetRules))
	mux.HandleFunc("DELETE /_sim/rules", func(http.ResponseWriter, *http.Request) { s.SetRules(nil) })
	mux.HandleFunc("PUT /_sim/pace", put(s.SetPace))
	mux.HandleFunc("PUT /_sim/limits", put(s.SetLimits))
	return mux
}

func get[T any](f func() T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, f()) }
}

func put[T any](set func(T)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var v T
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&v); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		set(v)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
