package ledger

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPadding(t *testing.T) {
	id := ID{"amy", 10}
	answer := Answer([]Line{{"user", Question(id)}})
	long := answer + Padding(id, 2)
	want := []Pad{{id, 1, 2}, {id, 2, 2}}
	if diff := cmp.Diff(want, Padded(long)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, ok := Answered(long); !ok || got != id {
		t.Errorf("answers %v, %v", got, ok)
	}
	// What follows of an answer in a history does not change what is made of it.
	next := Line{"user", Question(ID{"amy", 11})}
	history := func(text string) []Line { return []Line{{"user", Question(id)}, {"assistant", text}, next} }
	if a, b := Answer(history(answer)), Answer(history(long)); a != b {
		t.Errorf("%s and %s", a, b)
	}
	if got := Padded(answer); len(got) != 0 {
		t.Errorf("an answer of one line has %v", got)
	}
}
