// Package bot is the channel of a WeCom AI bot (智能机器人), kind "wecombot". Messages come by sealed JSON callbacks ([Callback]) or over the one
// connection that the platform allows a bot ([Stream]), which one replica holds at a time.
//
// An answer is a stream that the person sees grow. In callback mode the platform polls for it, about once a second, at whichever replica the entry's
// balancer picks, until somebody says that it is finished or the window is over, six minutes after the question; what comes later goes out by the
// message's response_url, which works once, within an hour. In stream mode the connection carries frames that replace the text; what comes later
// goes out as a message of its own.
//
// Documents: 100719 (messages), 101027 (events), 101031 (passive answers), 101033 (envelope), 101138 (response_url), 101463 (long connection), and
// the platform's own SDK for Node where they are silent.
package bot
