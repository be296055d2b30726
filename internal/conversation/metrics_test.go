package conversation

import (
	"strconv"
	"strings"
	"testing"
)

func TestLabelsFromOutsideAreBounded(t *testing.T) {
	var b bounded
	got := map[string]bool{}
	for i := range 10_000 {
		got[b.label(strconv.Itoa(i))] = true
	}
	if len(got) != maxCodes+1 || !got["0"] || !got["other"] {
		t.Errorf("%d values, want %d and other", len(got), maxCodes)
	}
	if b.label("0") != "0" {
		t.Error("a value seen early has changed its label")
	}
	if b.label(strings.Repeat("x", 1000)) != "other" {
		t.Error("a long value became a label")
	}
}
