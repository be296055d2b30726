// Package nacoslogin logs in to Nacos for both halves of nacos-sdk-go, the registry's and that of the live documents, with a password that may
// change.
//
// What the SDK (v2.3.5) does, and what this package does about it: it keeps the password that its client was made with, logs in when nine tenths of
// its token's life are over, and never because a token was refused. So a changed password would be found out hours later, and a Nacos that does not
// know its own tokens any more would refuse a process until then. But it asks an agent for the login, every 5 s if the token's life is short: [Agent]
// calls it short, answers from what it holds, and asks Nacos when there is a reason to.
package nacoslogin
