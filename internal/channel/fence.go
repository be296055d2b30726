package channel

import "strings"

// fence is an open Markdown code fence; the zero value is none.
type fence struct {
	mark string // the run of ` or ~ that opened it
	info string // what stands behind it, the language
}

func (f fence) isOpen() bool { return f.mark != "" }

// reopen is what a part begins with that goes on inside of f.
func (f fence) reopen() string {
	if !f.isOpen() {
		return ""
	}
	return f.mark + f.info + "\n"
}

// shut is what a part ends with that stops inside of f.
func (f fence) shut() string {
	if !f.isOpen() {
		return ""
	}
	return "\n" + f.mark
}

// closedBy reports whether line ends f: the same mark, at least as long, and nothing else.
func (f fence) closedBy(line string) bool {
	line = strings.TrimSpace(line)
	return f.isOpen() && strings.HasPrefix(line, f.mark) && strings.Trim(line, f.mark[:1]) == ""
}

// step is the fence after line. A fence whose lines would fill more than a third of a part is taken for plain text.
func (f fence) step(line string, limit int) fence {
	if f.isOpen() {
		if f.closedBy(line) {
			return fence{}
		}
		return f
	}
	line = strings.TrimSpace(line)
	run := len(line) - len(strings.TrimLeft(line, "`"))
	if run == 0 {
		run = len(line) - len(strings.TrimLeft(line, "~"))
	}
	if run < 3 || 2*run+len(line)+2 > limit/3 || strings.Contains(line[run:], "`") {
		return fence{}
	}
	return fence{mark: line[:run], info: line[run:]}
}
