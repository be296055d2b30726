package channel_test

import (
	"strings"
	"testing"

	"parley/internal/channel"
)

// BenchmarkTame is an answer of 600 characters on its way into parts.
func BenchmarkTame(b *testing.B) {
	answer := strings.Repeat("杭州今天多云转晴，气温十八到二十六度。\n", 30)
	b.Run("text", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			channel.TameText(answer)
		}
	})
	b.Run("markdown", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			channel.TameMarkdown(answer)
		}
	})
	b.Run("split", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			channel.Split(answer, 2048)
		}
	})
}
