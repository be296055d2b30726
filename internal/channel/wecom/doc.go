// Package wecom holds what the channels of WeCom (企业微信) share: the sealed envelope of its callbacks ([Envelope]), its XML, its error
// codes, and calls to its API with one access token per application over all replicas ([Client]).
//
// Formats are those of the developer centre, https://developer.work.weixin.qq.com/document: 90968 (envelope), 96466 (callbacks),
// 91039 (token), 90236 (sending), 90312 (limits).
package wecom
