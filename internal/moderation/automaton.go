package moderation

// automaton finds many words in one pass, in the way of Aho and Corasick. It is immutable.
type automaton struct {
	nodes   []node
	edges   map[edge]int32
	first   map[rune]int32 // edges of the root: most characters of a text look no further
	longest int
}

type node struct {
	fail  int32 // the longest suffix that is a prefix of some word
	depth int32
	word  bool // a word ends here
}

type edge struct {
	from int32
	r    rune
}

func newAutomaton(words [][]rune) automaton {
	a := automaton{nodes: []node{{}}, edges: map[edge]int32{}, first: map[rune]int32{}}
	for _, w := range words {
		a.add(w)
	}
	a.link()
	return a
}

func (a *automaton) add(word []rune) {
	at := int32(0)
	for i, r := range word {
		to, ok := a.edge(at, r)
		if !ok {
			to = int32(len(a.nodes))
			a.nodes = append(a.nodes, node{depth: int32(i + 1)})
			if at == 0 {
				a.first[r] = to
			} else {
				a.edges[edge{at, r}] = to
			}
		}
		at = to
	}
	a.nodes[at].word = a.nodes[at].word || at != 0
	a.longest = max(a.longest, len(word))
}

func (a *automaton) edge(from int32, r rune) (int32, bool) {
	if from == 0 {
		to, ok := a.first[r]
		return to, ok
	}
	to, ok := a.edges[edge{from, r}]
	return to, ok
}

// link sets where to go on when a word does not: nodes in the order of their depth, so that a shorter one is done before.
func (a *automaton) link() {
	byDepth := make([][]edge, a.longest+1)
	for e, to := range a.edges {
		d := a.nodes[to].depth
		byDepth[d] = append(byDepth[d], e)
	}
	for _, list := range byDepth {
		for _, e := range list {
			to := a.edges[e]
			n := &a.nodes[to]
			n.fail = a.next(a.nodes[e.from].fail, e.r)
			n.word = n.word || a.nodes[n.fail].word
		}
	}
}

// next is the state after a character.
func (a *automaton) next(state int32, r rune) int32 {
	for {
		if to, ok := a.edge(state, r); ok {
			return to
		}
		if state == 0 {
			return 0
		}
		state = a.nodes[state].fail
	}
}
