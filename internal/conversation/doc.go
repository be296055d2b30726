// Package conversation is Parley's main use case: a message is accepted into its conversation's mailbox, some replica claims the
// conversation, computes one turn at a time, in order, commits the reply, and delivers it.
//
// It owns the [Store] contract. Whatever dies between two steps, the store's lease and fence let another replica go on with the next
// one; nothing here needs to remember anything across a crash. [Service] is the whole of it: [Service.Accept] is called by channels,
// [Service.Run] works.
package conversation
