package ledger_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/test/ledger"
)

const window = 2

// talk is a run in which nothing went wrong: each of two people asks four times and gets four answers.
func talk() (asked []ledger.Asked, seen []ledger.Seen) {
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, person := range []string{"amy", "bob"} {
		var turns []ledger.Line
		for n := 1; n <= 4; n++ {
			id := ledger.ID{Person: person, N: n}
			at := start.Add(time.Duration(n) * 10 * time.Second)
			asked = append(asked, ledger.Asked{ID: id, Begun: at, Acked: at.Add(time.Second)})
			question := ledger.Line{Role: "user", Text: ledger.Question(id)}
			context := append([]ledger.Line{{Role: "system", Text: "你是公司的助手。"}}, turns[max(0, len(turns)-2*window):]...)
			text := ledger.Answer(append(context, question))
			turns = append(turns, question, ledger.Line{Role: "assistant", Text: text})
			seen = append(seen, ledger.Seen{Person: person, Text: text + "嗯……\n（AI 生成）", At: at.Add(2 * time.Second)})
		}
	}
	return asked, seen
}

func find(t *testing.T, seen []ledger.Seen, id ledger.ID) int {
	t.Helper()
	i := slices.IndexFunc(seen, func(s ledger.Seen) bool { got, ok := ledger.Answered(s.Text); return ok && got == id })
	if i < 0 {
		t.Fatalf("no answer to %v", id)
	}
	return i
}

// TestCheckFindsWhatIsPlanted plants each kind of fault into a faultless run.
func TestCheckFindsWhatIsPlanted(t *testing.T) {
	amy := func(n int) ledger.ID { return ledger.ID{Person: "amy", N: n} }
	bob := func(n int) ledger.ID { return ledger.ID{Person: "bob", N: n} }
	cases := []struct {
		name  string
		plant func(t *testing.T, asked *[]ledger.Asked, seen *[]ledger.Seen)
		want  map[ledger.Kind]int
	}{
		{"nothing", func(*testing.T, *[]ledger.Asked, *[]ledger.Seen) {}, nil},
		{"loss of the last", func(t *testing.T, _ *[]ledger.Asked, seen *[]ledger.Seen) {
			i := find(t, *seen, amy(4))
			*seen = slices.Delete(*seen, i, i+1)
		}, map[ledger.Kind]int{ledger.Lost: 1}},
		{"loss of the first: the later answers knew it", func(t *testing.T, _ *[]ledger.Asked, seen *[]ledger.Seen) {
			i := find(t, *seen, amy(1))
			*seen = slices.Delete(*seen, i, i+1)
		}, map[ledger.Kind]int{ledger.Lost: 1, ledger.WrongContext: 2}},
		{"double", func(t *testing.T, _ *[]ledger.Asked, seen *[]ledger.Seen) {
			*seen = append(*seen, (*seen)[find(t, *seen, bob(2))])
		}, map[ledger.Kind]int{ledger.Doubled: 1}},
		{"misorder", func(t *testing.T, _ *[]ledger.Asked, seen *[]ledger.Seen) {
			i, j := find(t, *seen, amy(3)), find(t, *seen, amy(4))
			(*seen)[i], (*seen)[j] = (*seen)[j], (*seen)[i]
		}, map[ledger.Kind]int{ledger.Misordered: 1, ledger.WrongContext: 2}},
		{"misorder that the context followed", func(t *testing.T, _ *[]ledger.Asked, seen *[]ledger.Seen) {
			swapped := []ledger.ID{amy(2), amy(1), amy(3), amy(4)}
			var turns []ledger.Line
			for i, id := range swapped {
				q := ledger.Line{Role: "user", Text: ledger.Question(id)}
				text := ledger.Answer(append(slices.Clone(turns[max(0, len(turns)-2*window):]), q))
				turns = append(turns, q, ledger.Line{Role: "assistant", Text: text})
				(*seen)[i].Text = text
			}
		}, map[ledger.Kind]int{ledger.Misordered: 1}},
		{"wrong person", func(t *testing.T, _ *[]ledger.Asked, seen *[]ledger.Seen) {
			(*seen)[find(t, *seen, amy(4))].Person = "bob"
		}, map[ledger.Kind]int{ledger.Misdirected: 1, ledger.Lost: 1}},
		{"history of another", func(t *testing.T, _ *[]ledger.Asked, seen *[]ledger.Seen) {
			i := find(t, *seen, bob(4))
			(*seen)[i].Text = ledger.Answer([]ledger.Line{
				{Role: "user", Text: ledger.Question(amy(1))}, {Role: "assistant", Text: (*seen)[find(t, *seen, amy(1))].Text},
				{Role: "user", Text: ledger.Question(bob(4))},
			})
		}, map[ledger.Kind]int{ledger.WrongContext: 1}},
		{"history forgotten", func(t *testing.T, _ *[]ledger.Asked, seen *[]ledger.Seen) {
			(*seen)[find(t, *seen, bob(4))].Text = ledger.Answer([]ledger.Line{{Role: "user", Text: ledger.Question(bob(4))}})
		}, map[ledger.Kind]int{ledger.WrongContext: 1}},
		{"apology", func(t *testing.T, _ *[]ledger.Asked, seen *[]ledger.Seen) {
			(*seen)[find(t, *seen, amy(4))].Text = "抱歉，这次没能得到回答，请稍后再试。"
		}, map[ledger.Kind]int{ledger.Strange: 1, ledger.Lost: 1}},
		{"answer out of nothing", func(_ *testing.T, _ *[]ledger.Asked, seen *[]ledger.Seen) {
			id := ledger.Line{Role: "user", Text: ledger.Question(amy(9))}
			*seen = append(*seen, ledger.Seen{Person: "amy", Text: ledger.Answer([]ledger.Line{id})})
		}, map[ledger.Kind]int{ledger.Strange: 1}},
		{"never acknowledged", func(t *testing.T, asked *[]ledger.Asked, seen *[]ledger.Seen) {
			(*asked)[3].Acked = time.Time{}
			i := find(t, *seen, amy(4))
			*seen = slices.Delete(*seen, i, i+1)
		}, map[ledger.Kind]int{ledger.Unacknowledged: 1}},
		{"answered without an acknowledgement", func(_ *testing.T, asked *[]ledger.Asked, _ *[]ledger.Seen) {
			(*asked)[3].Acked = time.Time{}
		}, map[ledger.Kind]int{ledger.Unacknowledged: 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			asked, seen := talk()
			c.plant(t, &asked, &seen)
			r := ledger.Check(asked, seen, window)
			got := map[ledger.Kind]int{}
			for _, k := range ledger.Kinds() {
				if n := r.Count(k); n > 0 {
					got[k] = n
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" && len(c.want)+len(got) > 0 {
				t.Errorf("faults (-want +got):\n%s\n%s", diff, r)
			}
			if r.OK() != (len(c.want) == 0) {
				t.Errorf("OK is %v", r.OK())
			}
			for k := range c.want {
				if !strings.Contains(r.String(), string(k)+": ") {
					t.Errorf("the report does not show a fault %q:\n%s", k, r)
				}
			}
		})
	}
}

// TestOverlappingDeliveriesHaveNoOrder: two messages under way at once may be answered either way round.
func TestOverlappingDeliveriesHaveNoOrder(t *testing.T) {
	asked, seen := talk()
	asked, seen = asked[:2], seen[:2]
	asked[1].Begun = asked[0].Begun
	var turns []ledger.Line
	for i, n := range []int{2, 1} {
		q := ledger.Line{Role: "user", Text: ledger.Question(ledger.ID{Person: "amy", N: n})}
		text := ledger.Answer(append(slices.Clone(turns), q))
		turns = append(turns, q, ledger.Line{Role: "assistant", Text: text})
		seen[i].Text = text
	}
	if r := ledger.Check(asked, seen, window); !r.OK() {
		t.Errorf("faults:\n%s", r)
	}
}

func TestAnswerDependsOnAllOfTheContext(t *testing.T) {
	q1, q2 := ledger.ID{Person: "amy", N: 1}, ledger.ID{Person: "amy", N: 2}
	base := []ledger.Line{{"user", ledger.Question(q1)}, {"assistant", ledger.Answer([]ledger.Line{{"user", ledger.Question(q1)}})}, {"user", ledger.Question(q2)}}
	want := ledger.Answer(base)
	if id, ok := ledger.Answered(want); !ok || id != q2 {
		t.Fatalf("%q answers %v, %v", want, id, ok)
	}
	for name, other := range map[string][]ledger.Line{
		"no history":        base[2:],
		"no answer in it":   {base[0], base[2]},
		"another's answer":  {base[0], {"assistant", "抱歉"}, base[2]},
		"another question":  {{"user", ledger.Question(q2)}, base[1], base[2]},
		"a turn said twice": {base[0], base[1], base[0], base[1], base[2]},
	} {
		if got := ledger.Answer(other); got == want {
			t.Errorf("%s: the same answer %q", name, got)
		}
	}
	noted := slices.Clone(base)
	noted[1].Text = "（默认模型暂不可用）\n\n" + noted[1].Text + "嗯……"
	if got := ledger.Answer(noted); got != want {
		t.Errorf("what stands around a frame changed the answer: %q, %q", got, want)
	}
	if _, ok := ledger.Answered(ledger.Answer([]ledger.Line{{"user", "你好"}})); ok {
		t.Error("a question without a name got a named answer")
	}
}
