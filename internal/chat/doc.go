// Package chat is Parley's vocabulary: the nouns that cross every port.
//
// A person's [Message] arrives on a channel of a tenant and belongs to one conversation ([ConversationKey]). Answering it is a turn:
// a [Request] goes to a server, [Event]s come back, and the [Reply] becomes [Part]s that the channel sends. What a conversation
// remembers of a turn is a [Turn]. Failures carry a [Kind], from which the HTTP status, the RPC code, the person's text and the
// decision to retry are derived; nothing else in Parley looks at an error's text.
//
// The package imports the standard library only. Its types are plain values: safe to copy, not safe to change concurrently.
package chat
