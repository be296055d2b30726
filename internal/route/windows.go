package route

import "strings"

// UnknownWindow is assumed for a model that neither the document nor the list below knows. Nearly every model served today has more;
// `windows:` is the way to say so.
const UnknownWindow = 32_768

// knownWindows are the context windows, in tokens, that the vendors document. A model has the window of the longest prefix of its
// name; 1M-token windows are entered with a little less, since the vendors reserve some.
var knownWindows = []struct {
	prefix string
	tokens int
}{
	{"gpt-3.5-turbo", 16_385}, {"gpt-4", 8_192}, {"gpt-4-turbo", 128_000}, {"gpt-4o", 128_000}, {"gpt-4.1", 1_047_576},
	{"gpt-5", 272_000}, {"gpt-6", 922_000}, {"chatgpt-4o", 128_000},
	{"o1", 200_000}, {"o1-mini", 128_000}, {"o1-preview", 128_000}, {"o3", 200_000}, {"o4-mini", 200_000},
	{"glm-4", 128_000}, {"glm-4v", 8_192}, {"glm-4v-flash", 16_000}, {"glm-4v-plus-0111", 16_000}, {"glm-4.1v", 64_000}, {"glm-4.5", 128_000},
	{"glm-4.5v", 64_000}, {"glm-4.6", 200_000}, {"glm-4.6v", 128_000}, {"glm-4.7", 200_000}, {"glm-5", 200_000}, {"glm-5.1", 200_000},
	{"glm-5.2", 1_000_000}, {"glm-5.3", 1_000_000},
	{"ernie-5", 119_000}, {"ernie-4.5-turbo-128k", 128_000}, {"ernie-4.5-turbo-32k", 32_000}, {"ernie-4.5", 8_192},
	{"ernie-4.5-turbo-vl", 32_000},
	{"ernie-x1", 32_000}, {"ernie-speed", 8_192}, {"ernie-speed-128k", 128_000}, {"ernie-lite", 8_192}, {"ernie-char", 8_192},
	{"simulated", 8_192},
}

func knownWindow(model string) int {
	model = strings.ToLower(model)
	best, tokens := 0, UnknownWindow
	for _, k := range knownWindows {
		if len(k.prefix) > best && strings.HasPrefix(model, k.prefix) {
			best, tokens = len(k.prefix), k.tokens
		}
	}
	return tokens
}
