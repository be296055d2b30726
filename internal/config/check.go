package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"parley/internal/chat"
)

// Kind is what a file is for.
type Kind string

// The kinds of file that Check knows. Unknown is none of them.
const (
	Unknown         Kind = ""
	KindClient      Kind = "client"
	KindServer      Kind = "server"
	KindConsole     Kind = "console"
	KindRoutes      Kind = "parley-routes"
	KindDegradation Kind = "parley-degradation"
	KindPrices      Kind = "parley-prices"
	KindTenant      Kind = "tenant"
)

// tellTale are top-level keys of each kind. A file is the kind that knows most of its keys.
var tellTale = []struct {
	kind Kind
	keys []string
}{
	{KindClient, []string{"http", "redis", "registry", "live", "secrets", "tenants", "rpc", "platforms", "limits"}},
	{KindServer, []string{"rpc", "http", "registry", "live", "secrets", "outbound", "limits"}},
	{KindConsole, []string{"http", "public_url", "proxies", "redis", "registry", "live", "secrets", "rpc", "tenants", "users", "session", "audit", "look"}},
	{KindRoutes, []string{"providers", "windows", "models", "tenants", "deadlines"}},
	{KindDegradation, []string{"switches"}},
	{KindPrices, []string{"currency", "prices"}},
	{KindTenant, []string{"name", "state", "model", "system_prompt", "providers", "keys", "history", "limits", "texts", "channels", "language"}},
}

// Detect tells what kind of document a file holds, by its name and else by its keys. name is the document's name: the file's base
// name without .yaml; for a tenant detected by its keys alone, "tenant." and what its name key says, or empty.
func Detect(path string, content []byte) (kind Kind, name string) {
	name = filepath.Base(path)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".yaml"), ".yml")
	switch {
	case slices.Contains([]Kind{KindClient, KindServer, KindConsole, KindRoutes, KindDegradation, KindPrices}, Kind(name)):
		return Kind(name), name
	case strings.HasPrefix(name, "tenant.") && chat.ValidName(name[len("tenant."):]):
		return KindTenant, name
	}
	root, _ := parseYAML(path, content)
	if root == nil {
		return Unknown, name
	}
	best, tie := 0, false
	has := map[string]string{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		has[root.Content[i].Value] = resolve(root.Content[i+1]).Value
	}
	for _, t := range tellTale {
		score := 0
		for key := range has {
			if slices.Contains(t.keys, key) {
				score += 2
			}
		}
		if _, people := has["users"]; t.kind == KindConsole && !people { // without it every client.yaml is one, too
			continue
		}
		if score > 0 && strings.Contains(name, string(t.kind)) { // client.direct.yaml may hold only what both kinds know
			score++
		}
		if score > best {
			kind, best, tie = t.kind, score, false
		} else if score == best && score > 0 {
			tie = true
		}
	}
	switch {
	case tie:
		return Unknown, name
	case kind == KindTenant:
		if !chat.ValidName(has["name"]) {
			return kind, ""
		}
		return kind, "tenant." + has["name"]
	case kind == KindRoutes || kind == KindDegradation || kind == KindPrices:
		return kind, string(kind)
	}
	return kind, name
}

// Document is a live document that Check found in a file.
type Document struct {
	File    string
	Kind    Kind
	Name    string // as in the live source, "tenant.acme"; a tenant's may be empty: then any name fits
	Content []byte
}

// Decoder returns the faults of one live document; their File is d.File.
type Decoder func(d Document) Faults

// Checked is what Check found out about one file.
type Checked struct {
	File   string
	Kind   Kind
	Faults Faults
}

// Check validates files of any kind and returns one result for each, in order; a folder stands for the .yaml files directly in it.
// decoders hold the live kinds' decoders; client.yaml and server.yaml are checked here.
func Check(files []string, opt Options, decoders map[Kind]Decoder) []Checked {
	var all []Checked
	for _, file := range files {
		inside, isFolder := filesIn(file)
		if isFolder && len(inside) == 0 {
			all = append(all, Checked{File: file, Faults: Faults{{File: file, What: "is a folder without .yaml files", Mend: "name files, or another folder"}}})
		}
		for _, f := range inside {
			all = append(all, checkFile(f, opt, decoders))
		}
	}
	return all
}

// Named lists those of files that are of a kind; a folder stands for the .yaml files directly in it.
func Named(files []string, kind Kind) []string {
	var all []string
	for _, file := range files {
		inside, _ := filesIn(file)
		for _, f := range inside {
			content, err := read(f)
			if err != nil {
				continue
			}
			if k, _ := Detect(f, content); k == kind {
				all = append(all, f)
			}
		}
	}
	return all
}

func filesIn(file string) (inside []string, isFolder bool) {
	if info, err := os.Stat(file); err != nil || !info.IsDir() {
		return []string{file}, false
	}
	inside, _ = filepath.Glob(filepath.Join(file, "*.yaml"))
	return inside, true
}

func checkFile(file string, opt Options, decoders map[Kind]Decoder) Checked {
	content, err := read(file)
	if err != nil {
		return Checked{File: file, Faults: asFaults(file, err)}
	}
	kind, name := Detect(file, content)
	c := Checked{File: file, Kind: kind}
	switch decode := decoders[kind]; {
	case kind == KindClient:
		_, err = parseClient(file, content, opt)
		c.Faults = asFaults(file, err)
	case kind == KindServer:
		_, err = parseServer(file, content, opt)
		c.Faults = asFaults(file, err)
	case kind == KindConsole:
		_, err = parseConsole(file, content, opt)
		c.Faults = asFaults(file, err)
	case decode != nil:
		c.Faults = decode(Document{File: file, Kind: kind, Name: name, Content: content}).Sorted()
	default:
		if _, c.Faults = parseYAML(file, content); len(c.Faults) == 0 {
			c.Faults = Faults{{File: file, What: "cannot tell what kind of document this is",
				Mend: "name it client.yaml, server.yaml, console.yaml, parley-routes.yaml, parley-degradation.yaml, parley-prices.yaml or tenant.NAME.yaml"}}
		}
	}
	return c
}

func asFaults(file string, err error) Faults {
	if err == nil {
		return nil
	}
	if fs, ok := errors.AsType[Faults](err); ok {
		return fs
	}
	return Faults{{File: file, What: err.Error()}}
}
