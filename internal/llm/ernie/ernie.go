// Package ernie is the dialect of Baidu's ERNIE on Qianfan's API v2 (qianfan.baidubce.com/v2), as documented at
// cloud.baidu.com/doc/qianfan-api: the pages of text generation and of error codes. The older API, with access tokens in the address, was
// switched off in August 2026; its error numbers are still known here, because gateways answer with them, status 200.
package ernie

import (
	"parley/internal/chat"
	"parley/internal/llm"
)

// Dialect is what Qianfan does differently: error codes that are words of its own, and bounds of an answer by model. Requests are
// OpenAI's; thinking is off unless asked for.
func Dialect() llm.Dialect {
	return llm.Dialect{Kinds: kinds(), MaxTokens: "max_tokens", MaxOutput: outputs()}
}

// outputs are the longest answers in tokens. Older models write less than is usual elsewhere, so that a wish must be cut.
func outputs() map[string]int {
	return map[string]int{
		"ernie-5": 65_536, "ernie-4.5-turbo": 12_288, "ernie-4.5-8k": 2_048, "ernie-4.0": 2_048, "ernie-4.0-turbo-128k": 4_096,
		"ernie-3.5": 2_048, "ernie-3.5-128k": 8_192, "ernie-speed": 2_048, "ernie-speed-128k": 4_096, "ernie-speed-pro-128k": 4_096,
		"ernie-lite": 2_048, "ernie-lite-pro-128k": 4_096, "ernie-tiny": 2_048, "ernie-char": 2_048, "ernie-novel": 2_048,
	}
}

func kinds() map[string]chat.Kind {
	table := map[string]chat.Kind{
		"malformed_json": chat.Invalid, "invalid_messages": chat.Invalid, "invalid_argument": chat.Invalid, "invalid_plugin_argument": chat.Invalid,
		"method_not_supported": chat.Invalid,
		"invalid_model":        chat.NotFound, "model_offline": chat.NotFound, // comes with 400, 401 or 403
		"characters_too_long": chat.TooLarge, "tokens_too_long": chat.TooLarge,
		"invalid_appid": chat.Unauthenticated, "invalid_iam_token": chat.Unauthenticated,
		"no_parameter_permission": chat.Forbidden, "access_denied": chat.Forbidden,
		"unsafe_request":  chat.Rejected,
		"account_overdue": chat.Billing,
		"Internal_error":  chat.Unavailable, "internal_error": chat.Unavailable, "dispatch_internal_error": chat.Unavailable,
		"cluster_rate_limit_exceeded": chat.Overloaded, "cluster_rpm_rate_limit_exceeded": chat.Overloaded,
		"cluster_tpm_rate_limit_exceeded": chat.Overloaded, // the platform's own load
	}
	for number, kind := range old {
		table[number] = kind
	}
	return table
}

// old are the numbers of the API that was switched off. Those of limits and of a busy platform pass by themselves.
var old = map[string]chat.Kind{
	"1": chat.Unavailable, "2": chat.Unavailable, "336000": chat.Unavailable,
	"4": chat.RateLimited, "15": chat.RateLimited, "17": chat.RateLimited, "18": chat.RateLimited, "19": chat.RateLimited,
	"336501": chat.RateLimited, "336502": chat.RateLimited,
	"6": chat.Forbidden, "13": chat.Unauthenticated, "14": chat.Unauthenticated,
	"100": chat.Unauthenticated, "110": chat.Unauthenticated, "111": chat.Unauthenticated,
	"336003": chat.Invalid, "336007": chat.TooLarge, "336103": chat.TooLarge, "336100": chat.Overloaded,
}
