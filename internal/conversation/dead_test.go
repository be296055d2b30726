package conversation_test

import (
	"testing"

	"parley/internal/conversation"
)

func TestDeadID(t *testing.T) {
	for _, good := range []string{"acme:0-1", "acme-eu:15-9007199254740993"} {
		if d, err := conversation.ParseDeadID(good); err != nil || d.String() != good {
			t.Errorf("%s: %v, %v", good, d, err)
		}
	}
	for _, bad := range []string{
		"", "acme", "acme:", "acme:1", "7-1", "acme:16-1", "acme:-1-1", "acme:1-0", "acme:1--1", "acme:01-1", "acme:1-01", "ACME:1-1", ":1-1", "acme:1-1 ", "acme:1-x",
		"acme:1-99999999999999999999",
	} {
		if d, err := conversation.ParseDeadID(bad); err == nil {
			t.Errorf("%q is taken as %v", bad, d)
		}
	}
}
