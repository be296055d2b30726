// Package openai is the channel of programs: OpenAI's chat completions at /v1/ of the client service's public address, so that any client made
// for OpenAI works with a company's key, models, limits and switches. See https://platform.openai.com/docs/api-reference/chat.
//
// It keeps nothing: a request carries its whole dialog, goes straight to a server, and the answer straight back. What cannot be carried to every
// provider is refused by name, what may be left out is named in a header; nothing that would change the answer is silently ignored.
package openai
