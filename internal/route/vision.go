package route

import "strings"

// knownSight says which models look at pictures, as their vendors document it, by the longest prefix of a model's name. `vision:` is the way to say it of
// others.
var knownSight = []struct {
	prefix string
	sees   bool
}{
	{"gpt-4o", true}, {"chatgpt-4o", true}, {"gpt-4-turbo", true}, {"gpt-4-turbo-preview", false}, {"gpt-4-vision", true}, {"gpt-4.1", true}, {"gpt-4.5", true},
	{"gpt-5", true}, {"gpt-6", true}, {"gpt-4o-audio", false}, {"gpt-4o-mini-audio", false},
	{"o1", true}, {"o1-mini", false}, {"o1-preview", false}, {"o3", true}, {"o3-mini", false}, {"o4-mini", true},
	{"glm-4v", true}, {"glm-4.1v", true}, {"glm-4.5v", true}, {"glm-4.6v", true}, {"glm-5v", true},
	{"ernie-4.5-vl", true}, {"ernie-4.5-turbo-vl", true}, {"ernie-4.5-8k-preview", true},
}

func knownToSee(model string) bool {
	model = strings.ToLower(model)
	best, sees := 0, false
	for _, k := range knownSight {
		if len(k.prefix) > best && strings.HasPrefix(model, k.prefix) {
			best, sees = len(k.prefix), k.sees
		}
	}
	return sees
}
