// Package llm simulates the APIs of OpenAI, Azure OpenAI, Zhipu (ChatGLM) and Baidu Qianfan (ERNIE) over HTTP/1.1 and h2c, each in its own
// wire form: addresses, keys, what a request may hold, errors, limits, chunks and usage ([Vendor]). Besides: first-token time and pace,
// faults, and a ledger of every request. An answer is made from the question alone ([Answer]), so that a test can tell whether each question got
// its own, and signed by the vendor, so that a person can tell who answered.
//
// Where a vendor is not known to refuse what it does not document, the simulator refuses it: what passes here stays within the documents.
//
// The API stands below [Vendor.Path]: POST …/chat/completions and GET …/models. Below /_sim/ stand the controls:
//
//	GET    /_sim/ledger   every request, oldest first, as JSON: a list of [Entry]
//	DELETE /_sim/ledger   forget them
//	GET    /_sim/stats    running and ended requests: [Stats]
//	GET    /_sim/keys     [KeyStats] by the keys' fingerprints
//	GET    /_sim/rules    the fault rules: a list of [Rule]
//	PUT    /_sim/rules    replace them
//	DELETE /_sim/rules    no more faults
//	PUT    /_sim/limits   replace the keys' limits: [LimitTable]
//	PUT    /_sim/pace     replace the [Pace]
package llm
