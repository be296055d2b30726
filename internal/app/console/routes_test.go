package console

import (
	"net/http"
	"strings"
	"testing"
)

// TestEveryRouteByEveryRole walks the authorisation table over real HTTP: each role gets what it may, and nothing else is answered.
func TestEveryRouteByEveryRole(t *testing.T) {
	r := newRoom(t, nil)
	names := map[Role]string{Viewer: "vera", Operator: "olga", Admin: "ada"}
	for _, route := range routes() {
		path := strings.NewReplacer("{$}", "", "{name}", "x").Replace(route.path)
		for _, role := range []Role{Anybody, Viewer, Operator, Admin} {
			p := r.stranger()
			if role > Anybody {
				p = r.login(names[role])
			}
			a := p.do(route.method, path, "{}")
			switch refused := a.status == http.StatusUnauthorized || a.status == http.StatusForbidden; {
			case route.path == "/api/login": // an empty name is refused for what it is
			case route.role > Anybody && role == Anybody && (a.status != http.StatusUnauthorized || a.code() != "unauthenticated"):
				t.Errorf("%s %s by nobody: %d %s", route.method, path, a.status, a.body)
			case role > Anybody && role < route.role && (a.status != http.StatusForbidden || a.code() != "forbidden"):
				t.Errorf("%s %s by a %s: %d %s", route.method, path, role, a.status, a.body)
			case role >= route.role && refused:
				t.Errorf("%s %s by a %q: %d %s", route.method, path, role, a.status, a.body)
			}
		}
	}
}

// TestNothingBesideTheTable: no other address answers, profiles and metrics included.
func TestNothingBesideTheTable(t *testing.T) {
	p := newRoom(t, nil).login("ada")
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/metrics", "/healthz", "/api", "/api/", "/api/users", "/assets/", "/assets/../console.go", "/assets/%2e%2e/console.go", "/index.html"} {
		if a := p.get(path); a.status == http.StatusOK {
			t.Errorf("%s answers: %s", path, a.body)
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, http.MethodTrace} {
		if a := p.do(method, "/api/switches/restore", "{}"); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, a.status)
		}
	}
}

// TestWhatChangesIsPosted: a GET changes nothing, so whatever changes something must be guarded as a POST is.
func TestWhatChangesIsPosted(t *testing.T) {
	for _, r := range routes() {
		if r.method != http.MethodGet && r.method != http.MethodPost {
			t.Errorf("%s %s: the guard knows GET and POST", r.method, r.path)
		}
		if r.method == http.MethodPost && r.role < Viewer && r.path != "/api/login" {
			t.Errorf("%s can be posted to by anybody", r.path)
		}
	}
}
