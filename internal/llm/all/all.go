// Package all is the one list of dialects.
package all

import (
	"slices"

	"parley/internal/llm"
	"parley/internal/llm/chatglm"
	"parley/internal/llm/ernie"
	"parley/internal/llm/openai"
	"parley/internal/llm/simulated"
)

// Dialects gives the client of every dialect by its name in parley-routes. The map is the caller's.
func Dialects() map[string]llm.Factory {
	return map[string]llm.Factory{
		"openai":    openai.Factory(llm.Dialect{}),
		"chatglm":   openai.Factory(chatglm.Dialect()),
		"ernie":     openai.Factory(ernie.Dialect()),
		"simulated": simulated.Factory,
	}
}

// Names lists the dialects, sorted, for route.Options.
func Names() []string {
	var list []string
	for name := range Dialects() {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
