// Package channeltest is the conformance suite that every channel runs ([Run], [RunCallback]), and the doubles of what Parley gives a
// channel: [Settings], [Inbox], [Cache].
package channeltest
