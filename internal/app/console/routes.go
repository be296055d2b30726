package console

// Role is what a user may do. Each may do what those below it may.
type Role int

// The roles, and Anybody who has not logged in.
const (
	Anybody Role = iota
	Viewer
	Operator
	Admin
)

var roleNames = [...]string{Anybody: "", Viewer: "viewer", Operator: "operator", Admin: "admin"}

// String is the role as configuration names it.
func (r Role) String() string { return roleNames[r] }

// ParseRole is String's inverse; an unknown word is Anybody, who may do nothing.
func ParseRole(word string) Role {
	for r, name := range roleNames {
		if name == word {
			return Role(r)
		}
	}
	return Anybody
}

// route is one address that the console answers.
type route struct {
	method, path string
	role         Role // the least that may ask
	answer       func(*Console, *call) (any, error)
}

// routes is the authorisation table: nothing is answered that is not in it. A test walks it with every role.
func routes() []route {
	return []route{
		{"GET", "/{$}", Anybody, (*Console).servePage},
		{"GET", "/assets/{name}", Anybody, (*Console).serveAsset},
		{"GET", "/api/session", Anybody, (*Console).serveSession},
		{"POST", "/api/login", Anybody, (*Console).serveLogin},
		{"POST", "/api/logout", Viewer, (*Console).serveLogout},

		{"GET", "/api/status", Viewer, (*Console).serveStatus},
		{"POST", "/api/servers/drain", Operator, (*Console).serveDrain},
		{"POST", "/api/servers/undrain", Operator, (*Console).serveUndrain},

		{"GET", "/api/switches", Viewer, (*Console).serveSwitches},
		{"POST", "/api/switches/drill", Operator, (*Console).serveDrill},
		{"POST", "/api/switches/degrade", Operator, (*Console).serveDegrade},
		{"POST", "/api/switches/restore", Operator, (*Console).serveRestore},

		{"GET", "/api/usage", Viewer, (*Console).serveUsage},

		{"GET", "/api/dead", Viewer, (*Console).serveDead},
		{"POST", "/api/dead/retry", Operator, (*Console).serveRetry},
		{"POST", "/api/dead/drop", Operator, (*Console).serveDrop},

		{"GET", "/api/documents", Viewer, (*Console).serveDocuments},
		{"GET", "/api/documents/{name}", Viewer, (*Console).serveDocument},
		{"POST", "/api/documents/{name}/check", Operator, (*Console).serveCheck},
		{"POST", "/api/documents/{name}/publish", Admin, (*Console).servePublish},

		{"POST", "/api/conversation", Operator, (*Console).serveConversation},
		{"POST", "/api/conversation/look", Admin, (*Console).serveLook},

		{"GET", "/api/audit", Operator, (*Console).serveAudit},
	}
}
