package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// otherVariables are the PARLEY_ variables that are no key of client.yaml or server.yaml: of the log, of sealed secrets, of tests.
var otherVariables = []string{"PARLEY_LOG", "PARLEY_LOG_LEVEL", "PARLEY_AGE_IDENTITY", "PARLEY_AGE_IDENTITY_FILE", "PARLEY_CACHE", "PARLEY_PLANT"}

// serviceVariable is what Kubernetes sets in every container for a service whose name begins with parley.
var serviceVariable = regexp.MustCompile(`_SERVICE_(HOST|PORT)(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?$`)

// UnknownVariables returns a warning for each variable of environ (NAME=value, as os.Environ) that begins with PARLEY_ and means nothing to any
// role, with the name that was probably meant. Empty ones count as not set; values are never repeated.
func UnknownVariables(environ []string) []string {
	known := map[string]bool{}
	for _, name := range otherVariables {
		known[name] = true
	}
	variablesOf(reflect.TypeFor[Client](), "", known)
	variablesOf(reflect.TypeFor[Server](), "", known)
	variablesOf(reflect.TypeFor[Console](), "", known)
	var warnings []string
	for _, pair := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(pair, "=")
		switch {
		case !strings.HasPrefix(name, "PARLEY_"), value == "", known[name], strings.HasPrefix(name, "PARLEY_TEST_"):
		case serviceVariable.MatchString(name), strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://"):
		default:
			warnings = append(warnings, fmt.Sprintf("the environment variable %s is unknown and has no effect; %s", name, meant(name, known)))
		}
	}
	return warnings
}

// variablesOf adds the variables of all keys of t.
func variablesOf(t reflect.Type, path string, into map[string]bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		at := join(path, f.Tag.Get("yaml"))
		if f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[Credential]() {
			variablesOf(f.Type, at, into)
			continue
		}
		if f.Type != reflect.TypeFor[[]User]() {
			into[EnvName(at)] = true
		}
	}
}

func meant(name string, known map[string]bool) string {
	best, least := "", 4 // further off it is another word
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return "a key's variable is PARLEY_ and its path in capitals, as in PARLEY_REDIS_ADDRS for redis.addrs; mend the name, or remove it"
	}
	return "did you mean " + best + "?"
}

// distance is how many letters must be added, removed or replaced to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
