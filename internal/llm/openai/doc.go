// Package openai is the client of chat completions in OpenAI's form, on go-openai's types, for OpenAI itself, for every server that is
// compatible (Azure, Ollama, vLLM, a gateway) and, through an [llm.Dialect], for vendors that depart from it.
//
// The transport and the stream reader are Parley's own, because go-openai reports cut, empty and refused streams as success. Here an
// answer is complete only if a finish_reason arrived: not at the end of the stream, and not at [DONE].
package openai
