// Package chatglm is the dialect of Zhipu's GLM (open.bigmodel.cn, API v4), as documented at docs.bigmodel.cn: the pages of chat completions
// and of error codes.
package chatglm

import (
	"strings"

	"parley/internal/chat"
	"parley/internal/llm"
)

// Dialect is what GLM does differently: error codes of digits, two finish reasons of its own, max_tokens alone, usage without asking,
// and thinking, which is on from GLM 4.7 unless switched off.
func Dialect() llm.Dialect {
	return llm.Dialect{
		Kinds:           kinds(),
		Finish:          finishes(),
		NoStreamOptions: true,
		UserField:       "user_id",
		MaxTokens:       "max_tokens",
		MaxOutput:       outputs(),
		Takes:           llm.Takes{Temperature: 1, TopP: 0.01, Stops: 1, NoPenalties: true, NoSeed: true},
		Token:           newTokens().of,
		Extra:           extra,
	}
}

// outputs are the longest answers in tokens.
func outputs() map[string]int {
	return map[string]int{
		"glm-4-": 4_095, "glm-4.5": 98_304, "glm-4.6": 131_072, "glm-4.7": 131_072, "glm-5": 131_072,
		"glm-4v": 1_024, "glm-4.1v": 16_384, "glm-4.5v": 16_384, "glm-4.6v": 32_768,
	}
}

// extra: people in a chat wait for the answer, not for the thoughts before it; request_id must be unique.
func extra(c llm.Call) map[string]any {
	fields := map[string]any{}
	if c.ID != "" {
		fields["request_id"] = c.ID
	}
	if thinks(c.Model) {
		fields["thinking"] = map[string]string{"type": "disabled"}
	}
	return fields
}

// thinks reports whether a model knows the field thinking: GLM 4.5 and later.
func thinks(model string) bool {
	version, ok := strings.CutPrefix(strings.ToLower(model), "glm-")
	return ok && version != "" && (strings.HasPrefix(version, "4.") || version[0] >= '5' && version[0] <= '9')
}

// kinds are the documented codes, which are strings of digits. The HTTP status says less: an account in arrears comes with 429.
func kinds() map[string]chat.Kind {
	table := map[string]chat.Kind{}
	for kind, codes := range map[chat.Kind][]string{
		chat.Unauthenticated: {"1000", "1001", "1002", "1003", "1004", "1005"},
		chat.Billing:         {"1110", "1111", "1112", "1113", "1121", "1309"}, // the account: inactive, missing, locked, in arrears, expired
		chat.Invalid:         {"1210", "1212", "1213", "1214", "1215", "1231"},
		chat.NotFound:        {"1211", "1221", "1222", "1311"}, // the model or the interface, or not in this subscription
		chat.Forbidden:       {"1220", "1300"},
		chat.TooLarge:        {"1261"},
		chat.Rejected:        {"1301"},
		chat.RateLimited:     {"1302", "1303", "1304", "1308", "1310", "1313"},
		chat.Overloaded:      {"1305", "1312"}, // the platform's own load: wait, or degrade
		chat.Unavailable:     {"500", "1100", "1120", "1200", "1230", "1234"},
	} {
		for _, code := range codes {
			table[code] = kind
		}
	}
	return table
}

func finishes() map[string]llm.Finish {
	return map[string]llm.Finish{
		"sensitive":                     {Kind: chat.Rejected},
		"network_error":                 {Kind: chat.Unavailable},
		"model_context_window_exceeded": {Reason: "length"}, // the answer met the window's end
	}
}
