// Package llm answers completions on a server: route → window → provider → fallback, with deadlines, retries and breakers. [Provider] is
// the port that each model vendor's folder implements.
package llm
