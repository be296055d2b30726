// Package feishu is the channel of a Feishu or Lark (飞书) application's bot, kind "feishu". Events come by HTTP callback ([Callback]) or over a
// connection that every replica holds to the platform ([Stream]). A reply is a card that is rewritten while the answer grows (CardKit), where the
// application may; else a card or a rich text that is sent once.
//
// Formats are those of https://open.feishu.cn/document: "configure an event subscription" (signature, encryption, the challenge), "receive
// message", "reply to a message" (uuid), "streaming updates" and "card entities" (CardKit), "get resource files in messages". The frames of the
// connection are documented nowhere; they are those of Feishu's own SDKs (pbbp2.proto).
package feishu
