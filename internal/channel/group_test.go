package channel_test

import (
	"testing"

	"parley/internal/channel"
)

// Different conversations never share a name, whatever ids a platform has.
func FuzzConversationID(f *testing.F) {
	f.Add("a", "g", "t", "b", "g/t", "")
	f.Add("a/b", "", "", "a", "b", "")
	f.Fuzz(func(t *testing.T, u1, g1, t1, u2, g2, t2 string) {
		for _, setting := range []string{channel.GroupMember, channel.GroupShared, channel.GroupThread} {
			a, b := channel.Place{User: u1, Group: g1, Thread: t1}, channel.Place{User: u2, Group: g2, Thread: t2}
			same := channel.ConversationID(setting, a) == channel.ConversationID(setting, b)
			if want := meet(setting, a) == meet(setting, b); same != want {
				t.Errorf("%s: %+v and %+v: one conversation is %v, want %v", setting, a, b, same, want)
			}
		}
	})
}

// meet is whom a message shares its conversation with, as a list that cannot be confused.
func meet(setting string, p channel.Place) [4]string {
	switch {
	case p.Group == "":
		return [4]string{"single", p.User}
	case setting == channel.GroupMember:
		return [4]string{"member", p.Group, p.User}
	case setting == channel.GroupThread && p.Thread != "":
		return [4]string{"thread", p.Group, p.Thread}
	}
	return [4]string{"group", p.Group}
}
