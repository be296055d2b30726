// Package dingtalk is the channel of a DingTalk (钉钉) application's robot, kind "dingtalk". Messages come by HTTP callback ([Callback]) or over a
// connection that every replica holds to the platform ([Stream]). Replies go out as an AI card that is rewritten while the answer grows, where the
// tenant set a template; else as Markdown to the message's sessionWebhook; else, when that has expired, by the robot's own API.
//
// Formats are those of https://open.dingtalk.com/document: "robot receive message" (payload, header sign), "stream mode" (frames), "robot reply and
// send messages", "create and deliver cards", "AI card streaming update", and of DingTalk's SDKs where the documents are silent: quoted messages
// (text.repliedMsg) and the errors of a sessionWebhook are in none.
package dingtalk
