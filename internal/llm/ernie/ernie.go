// Package ernie is the dialect of Baidu's ERNIE on Qianfan's API v2 (qianfan.baidubce.com/v2), as documented at
// cloud.baidu.com/doc/qianfan-api: the pages of text generation and of error codes. The older API, with access tokens in the address, was
// switched off in August 2026; its error numbers are still known here, because gateways answer with them, status 200.
package ernie

import (
	"parley/internal/chat"
	"parley/internal/llm"
)

// Dialect is what Qianfan does differently: error codes that are words of its own, models by their names in lower case, and bounds of an
// answer by model. Requests are OpenAI's; thinking is off unless asked for.
func Dialect() llm.Dialect {
	return llm.Dialect{
		Kinds: kinds(), MaxTokens: "max_tokens", MaxOutput: outputs(), LowerModel: true, Takes: llm.Takes{Temperature: 1, StopRunes: 20},
	}
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
	table := map[string]chat.Kind{}
	for kind, codes := range map[chat.Kind][]string{
		chat.Invalid: {"malformed_json", "invalid_messages", "invalid_argument", "invalid_plugin_argument", "invalid_image_url", "method_not_supported",
			// Spelt so, and otherwise, in different years.
			"invalid_image_genration_prompt", "invalid_image_generation_prompt",
			"invalid_image_genration_refer_image", "invalid_image_generation_refer_image"},
		chat.NotFound:        {"invalid_model", "model_offline"}, // comes with 400, 401 or 403
		chat.TooLarge:        {"characters_too_long", "tokens_too_long"},
		chat.Unauthenticated: {"invalid_appid", "invalid_iam_token"},
		chat.Forbidden:       {"no_parameter_permission", "access_denied"},
		chat.Rejected:        {"unsafe_request", "image_url_unsafe", "system_unsafe", "user_setting_unsafe", "functions_unsafe"},
		chat.Billing: {"account_overdue", "coding_plan_hour_quota_exceeded", "coding_plan_week_quota_exceeded", "coding_plan_month_quota_exceeded",
			"coding_plan_subscription_expired"},
		chat.RateLimited: {"rpm_rate_limit_exceeded", "tpm_rate_limit_exceeded", "input_tpm_rate_limit_exceeded", "output_tpm_rate_limit_exceeded",
			"user_rate_limit_exceeded", "coding_plan_rate_limit_exceeded"},
		chat.Overloaded: {"cluster_rate_limit_exceeded", "cluster_rpm_rate_limit_exceeded", "cluster_tpm_rate_limit_exceeded",
			"preemptible_rate_limit_exceeded", "Offline_batch_reasoning_refused", "coding_plan_cluster_rate_limited"}, // the platform's own load
		chat.Unavailable: {"Internal_error", "internal_error", "dispatch_internal_error"},
	} {
		for _, code := range codes {
			table[code] = kind
		}
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
