package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// A conversation is a queue: what is posted goes in at some moment between the first try and the acknowledgement, replies come out in the
// same order, each message has one reply, and in the end the queue is empty. What the platform gave up may have gone in at any time, or
// never. Porcupine decides whether there is any order of events that fits what was seen.

// step is an operation on the queue.
type step struct {
	op   string // post, reply, end
	n    int    // of a post, and of a reply that says what it answers
	stop bool   // of a post: a stop command
	text string // of a reply: the name of its text, "answer" for an answer
}

func (s step) String() string { return strings.TrimSpace(fmt.Sprintf("%s %d %s", s.op, s.n, s.text)) }

// queue is the model. Its state lists what waits: "3 4s " are message 3 and the stop command 4.
func queue() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, _ any) (bool, any) {
			waiting, in := state.(string), input.(step)
			switch in.op {
			case "post":
				entry := strconv.Itoa(in.n)
				if in.stop {
					entry += "s"
				}
				return true, waiting + entry + " "
			case "end":
				return waiting == "", waiting
			}
			head, rest, some := strings.Cut(waiting, " ")
			return some && fits(in, head), rest
		},
		DescribeOperation: func(input, _ any) string { return input.(step).String() },
	}
}

// fits reports whether a reply may be that to the message waiting first.
func fits(reply step, head string) bool {
	n, isStop := strings.CutSuffix(head, "s")
	switch reply.text {
	case "answer":
		return head == strconv.Itoa(reply.n)
	case "stop_done", "stop_none":
		return isStop
	case "failed": // any message can be given up after its attempts
		return n != ""
	default:
		return !isStop
	}
}

// history makes a conversation's operations. strange texts are told apart: they are no step of any queue.
func (p *person) history(end time.Time) (ops []porcupine.Operation) {
	for i, m := range p.said {
		done := int64(math.MaxInt64)
		if !m.Acked.IsZero() {
			done = m.Acked.UnixNano()
		}
		ops = append(ops, porcupine.Operation{ClientId: i, Input: step{op: "post", n: m.ID.N, stop: m.Stop}, Call: m.Begun.UnixNano(), Return: done})
	}
	var last int64
	for _, s := range p.shown {
		what := read(s.Text)
		if what.more {
			continue
		}
		last = max(last+1, s.At.UnixNano())
		ops = append(ops, porcupine.Operation{
			ClientId: len(p.said), Input: step{op: "reply", n: what.answers.N, text: what.name}, Call: last, Return: last,
		})
	}
	last = max(last+1, end.UnixNano())
	return append(ops, porcupine.Operation{ClientId: len(p.said), Input: step{op: "end"}, Call: last, Return: last})
}

// inOrder asks porcupine. undecided says that it took too long.
func (p *person) inOrder(end time.Time) (ok, undecided bool) {
	switch porcupine.CheckOperationsTimeout(queue(), p.history(end), 10*time.Second) {
	case porcupine.Ok:
		return true, false
	case porcupine.Unknown:
		return false, true
	}
	return false, false
}
