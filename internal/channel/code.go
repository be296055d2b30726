package channel

import (
	"regexp"
	"strings"
)

// block is a piece of a text: a fenced block of code with its fences, or what stands between two.
type block struct {
	text string
	code bool
}

var (
	// opening is a fence that every reader of Markdown takes for one, closing is its end.
	opening = regexp.MustCompile("^( {0,3})(`{3,10})[ \t]*[\\w+#.-]{0,30}[ \t]*$")
	closing = regexp.MustCompile("^( {0,3})(`{3,10})[ \t]*$")
	// doubt is a line outside of code after which readers may disagree about what is code: another form of fence, one within a list or a quotation, HTML.
	doubt = regexp.MustCompile("^[ \t>*+.)\\d-]*(```|~~~|<)")
)

// blocks cuts a text into code and the rest, without losing a byte. A block that is not closed yet is none, and after a line of doubt there is no more
// code: what is taken for code is not tamed, so it must be code for everybody.
func blocks(text string) (out []block) {
	lines := strings.SplitAfter(text, "\n")
	from := 0 // of the lines not yet in out
	for i := 0; i < len(lines); i++ {
		open := opening.FindStringSubmatch(bare(lines[i]))
		if open == nil {
			if doubt.MatchString(lines[i]) {
				break
			}
			continue
		}
		end := codeEnd(lines, i, open[1], open[2])
		if end < 0 {
			break
		}
		out = append(out, block{text: strings.Join(lines[from:i], "")}, block{strings.Join(lines[i:end+1], ""), true})
		from, i = end+1, end
	}
	return append(out, block{text: strings.Join(lines[from:], "")})
}

func bare(line string) string { return strings.TrimSuffix(line, "\n") }

// codeEnd finds the line that closes the fence opened on line i; -1: none does, or not for everybody. Lines of a block that is indented (a list's) are so,
// too, or they would end the list and the block with it.
func codeEnd(lines []string, i int, indent, fence string) int {
	for end := i + 1; end < len(lines); end++ {
		line := bare(lines[end])
		if shut := closing.FindStringSubmatch(line); shut != nil && shut[1] == indent && shut[2] == fence {
			return end
		}
		if blank := strings.TrimSpace(line) == ""; !blank && !strings.HasPrefix(line, indent) || strings.HasPrefix(strings.TrimLeft(line, " \t>"), "```") {
			return -1
		}
	}
	return -1
}
