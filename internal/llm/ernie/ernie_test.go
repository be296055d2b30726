package ernie

import (
	"testing"

	"parley/internal/chat"
)

func TestKinds(t *testing.T) {
	d := Dialect()
	for code, want := range map[string]chat.Kind{
		"invalid_iam_token": chat.Unauthenticated, "invalid_appid": chat.Unauthenticated, "account_overdue": chat.Billing,
		"invalid_model": chat.NotFound, "model_offline": chat.NotFound, "tokens_too_long": chat.TooLarge, "characters_too_long": chat.TooLarge,
		"unsafe_request": chat.Rejected, "invalid_messages": chat.Invalid, "internal_error": chat.Unavailable,
		"cluster_tpm_rate_limit_exceeded": chat.Overloaded,
		"18":                              chat.RateLimited, "17": chat.RateLimited, "336501": chat.RateLimited, "110": chat.Unauthenticated, "336100": chat.Overloaded,
	} {
		if got, ok := d.Kinds[code]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", code, got, ok, want)
		}
	}
}

// The set that Baidu's own client tries again must be retryable here, too.
func TestRetried(t *testing.T) {
	for _, code := range []string{"2", "15", "18", "336100", "336501", "336502"} {
		if kind := Dialect().Kinds[code]; !kind.Retryable() {
			t.Errorf("%s is %v, which is never tried again", code, kind)
		}
	}
}
