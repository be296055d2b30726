// Package channel is the port of chat platforms: what a platform must do for Parley ([Channel], [Callback]), what Parley does for it
// ([Deps]), and the shared front that every callback passes: bound the body, open, accept, and only then acknowledge.
//
// To add a platform, make a folder beside the others with the same file names, run channeltest's suite over it, and add one line to
// channel/all. A channel keeps no state of its own between requests: any replica may receive, and any other may send.
package channel
