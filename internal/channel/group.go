package channel

import "net/url"

// Whose conversation the messages of a group belong to: `history.group` of the tenant's document.
const (
	GroupMember = "member" // each member has a conversation of their own in each group
	GroupShared = "group"  // all members share one
	GroupThread = "thread" // each thread (topic) has one; outside of threads the group does
)

// Place is where a message was written, in the platform's own ids. Group and Thread are empty in a single chat; Thread, where there is none.
type Place struct{ User, Group, Thread string }

// ConversationID names the conversation of a message under a tenant's setting. Different conversations have different names, whatever bytes the
// ids hold.
func ConversationID(setting string, p Place) string {
	switch {
	case p.Group == "":
		return "p/" + url.QueryEscape(p.User)
	case setting == GroupShared, setting == GroupThread && p.Thread == "":
		return "g/" + url.QueryEscape(p.Group)
	case setting == GroupThread:
		return "t/" + url.QueryEscape(p.Group) + "/" + url.QueryEscape(p.Thread)
	default:
		return "m/" + url.QueryEscape(p.Group) + "/" + url.QueryEscape(p.User)
	}
}
