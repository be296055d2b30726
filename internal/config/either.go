package config

// Either is a client's, a server's or a console's configuration: exactly one is set.
type Either struct {
	Client  *Client
	Server  *Server
	Console *Console
}

// Registry is the registry of whichever is set.
func (e Either) Registry() Registry {
	switch {
	case e.Client != nil:
		return e.Client.Registry
	case e.Console != nil:
		return e.Console.Registry
	default:
		return e.Server.Registry
	}
}

// Live is the live source of whichever is set.
func (e Either) Live() Live {
	switch {
	case e.Client != nil:
		return e.Client.Live
	case e.Console != nil:
		return e.Console.Live
	default:
		return e.Server.Live
	}
}

// RPC is how servers are asked.
func (e Either) RPC() ClientRPC {
	switch {
	case e.Client != nil:
		return e.Client.RPC
	case e.Console != nil:
		return e.Console.RPC
	default:
		return ClientRPC{TLS: e.Server.RPC.TLS, Insecure: e.Server.RPC.Insecure}
	}
}

// Redis is where conversations are kept; nil: a server does not know.
func (e Either) Redis() *Redis {
	switch {
	case e.Client != nil:
		return &e.Client.Redis
	case e.Console != nil:
		return &e.Console.Redis
	default:
		return nil
	}
}

// Tenants are those that are named; none: whatever there are, or nobody knows.
func (e Either) Tenants() []string {
	switch {
	case e.Client != nil:
		return e.Client.Tenants
	case e.Console != nil:
		return e.Console.Tenants
	default:
		return nil
	}
}

// SecretsDir is where file: references of whichever is set are read from.
func (e Either) SecretsDir() string {
	switch {
	case e.Client != nil:
		return e.Client.Secrets.Dir
	case e.Console != nil:
		return e.Console.Secrets.Dir
	default:
		return e.Server.Secrets.Dir
	}
}

// Audit is for how long the audit log is kept. A server writes none.
func (e Either) Audit() Audit {
	switch {
	case e.Client != nil:
		return e.Client.Audit
	case e.Console != nil:
		return e.Console.Audit
	default:
		return DefaultAudit()
	}
}

// Load reads a file that may be client.yaml, server.yaml or console.yaml, for commands that take each.
func Load(path string, opt Options) (Either, error) {
	content, err := read(path)
	if err != nil {
		return Either{}, err
	}
	switch kind, _ := Detect(path, content); kind {
	case KindClient:
		c, err := parseClient(path, content, opt)
		return Either{Client: c}, err
	case KindServer:
		s, err := parseServer(path, content, opt)
		return Either{Server: s}, err
	case KindConsole:
		c, err := parseConsole(path, content, opt)
		return Either{Console: c}, err
	default: // the top keys alone do not tell: what parses as one of them is one
		if c, err := parseClient(path, content, opt); err == nil && kind == Unknown {
			return Either{Client: c}, nil
		}
		if s, err := parseServer(path, content, opt); err == nil && kind == Unknown {
			return Either{Server: s}, nil
		}
		return Either{}, Faults{{File: path, What: "is neither a client's, a server's nor a console's configuration",
			Mend: "give the client.yaml, server.yaml or console.yaml of the installation"}}
	}
}
