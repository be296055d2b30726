package main

import (
	"fmt"
	"regexp"
	"strings"

	"parley/test/ledger"
)

// texts are what tenants say besides answers; each names itself, so that it can be told from everything else.
var texts = []string{
	"stopped", "stop_done", "stop_none", "failed", "timeout", "late", "busy", "rate", "rejected", "too_long", "suspended", "unsupported", "help",
}

var marked = regexp.MustCompile(`^【言 ([a-z_]+)】$`)

// textsOf is the part of a tenant's document that makes the texts name themselves.
func textsOf() string {
	var b strings.Builder
	b.WriteString("texts:\n")
	for _, name := range texts {
		fmt.Fprintf(&b, "  %s: 【言 %s】\n", name, name)
	}
	return b.String()
}

// meaning is what a shown text is.
type meaning struct {
	answers ledger.ID // of an answer, and of its further parts
	name    string    // of a text; "answer" of an answer; "" of neither
	more    bool      // a further part of the answer
}

func read(text string) meaning {
	if id, ok := ledger.Answered(text); ok {
		return meaning{answers: id, name: "answer"}
	}
	if pads := ledger.Padded(text); len(pads) > 0 {
		return meaning{answers: pads[0].ID, more: true}
	}
	if m := marked.FindStringSubmatch(text); m != nil {
		return meaning{name: m[1]}
	}
	return meaning{}
}

// apology reports whether a text stands for an answer that could not be had.
func (m meaning) apology() bool {
	switch m.name {
	case "failed", "timeout", "late", "busy", "rate", "rejected", "too_long", "suspended":
		return true
	}
	return false
}
