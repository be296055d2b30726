package app_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"parley/internal/channel"
	"parley/internal/channel/wecom/app"
	sim "parley/internal/sim/wecom"
)

// BenchmarkOpen is what a callback costs besides the store.
func BenchmarkOpen(b *testing.B) {
	a, err := app.New(settings(), channel.Deps{HTTP: http.DefaultClient, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	query, body, err := sim.Seal(theApp(), sim.Message{ID: "1", User: "zhang", Type: "text", Text: "你好，今天天气怎么样？"}, noon)
	if err != nil {
		b.Fatal(err)
	}
	d := channel.Delivery{Query: query, Header: http.Header{}, Body: body, Now: noon}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Open(b.Context(), d); err != nil {
			b.Fatal(err)
		}
	}
}
