package main

import (
	"strings"
	"testing"

	"parley/internal/sim/llm"
	"parley/test/ledger"
)

// BenchmarkAnswer is the answer to a person with 20 turns of 600 characters behind him.
func BenchmarkAnswer(b *testing.B) {
	id := func(n int) ledger.ID { return ledger.ID{Person: "m00001", N: n} }
	list := []llm.Message{{Role: "system", Content: "你是公司的助手。"}}
	for n := range 20 {
		list = append(list, llm.Message{Role: "user", Content: ledger.Question(id(n + 1))},
			llm.Message{Role: "assistant", Content: "【答 " + id(n+1).String() + " 0123abcd】" + strings.Repeat(sentence, 30)})
	}
	list = append(list, llm.Message{Role: "user", Content: ledger.Question(id(21))})
	b.ReportAllocs()
	for b.Loop() {
		answer(list, 0, 600)
	}
}
