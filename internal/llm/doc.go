// Package llm answers completions on a server: route → window → breaker → key → provider → retry or fallback, with deadlines. [Provider]
// is the port that each model vendor's folder implements; [Service] is the use case over it. Vendors that speak OpenAI's form differ
// from it only by a [Dialect], which is data.
//
// A server keeps nothing of a conversation: all that [Service] holds between two turns are connections, token counters of system prompts
// and what it learned about providers (breakers, retry budgets) and their keys (calls running, resting until).
package llm
