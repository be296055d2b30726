// Package llm simulates an OpenAI-compatible API over HTTP/1.1 and h2c: first-token time and pace, keys, usage, faults, and a ledger of
// every request. An answer is made from the question alone ([Answer]), so that a test can tell whether each question got its own.
//
// POST …/chat/completions and GET …/models are the API; below /_sim/ stand the controls:
//
//	GET    /_sim/ledger   every request, oldest first, as JSON
//	DELETE /_sim/ledger   forget them
//	GET    /_sim/stats    running and ended requests
//	PUT    /_sim/rules    replace the fault rules: a JSON list of [Rule]
//	PUT    /_sim/pace     replace the [Pace]
package llm
