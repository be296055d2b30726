// Package secrets runs the whole product with secrets that nobody else has, makes everything go wrong that could make it speak of them, and
// searches all that came out: logs, stacks, metrics, answers to strangers, what people were shown, what operators' commands print. It holds
// tests only.
package secrets
