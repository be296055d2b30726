package wire

import "parley/internal/chat"

// Reason is an error's own text without where it happened.
func Reason(err error) string {
	if e, ok := err.(*chat.Error); ok && e.Err != nil { //nolint:errorlint // only the outermost is stripped
		return e.Err.Error()
	}
	return err.Error()
}
