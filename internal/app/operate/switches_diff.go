package operate

import (
	"bytes"
	"strings"
)

// difference shows two forms of a document as the lines that went and came, each with a line around; what is common between is folded.
func difference(old, new []byte) string {
	a, b := linesOf(old), linesOf(new)
	var all []string // with their marks
	i, j := 0, 0
	for common := longest(a, b); i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, "  "+a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			all = append(all, "- "+a[i])
			i++
		default:
			all = append(all, "+ "+b[j])
			j++
		}
	}
	return fold(all)
}

func linesOf(content []byte) []string {
	if len(bytes.TrimSpace(content)) == 0 {
		return nil
	}
	return strings.Split(strings.TrimRight(string(content), "\n"), "\n")
}

// longest is, for every pair of ends, the length of the longest common subsequence. Switch documents have some dozens of lines.
func longest(a, b []string) [][]int {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	return common
}

// fold leaves out common lines that are not beside a change.
func fold(all []string) string {
	var out strings.Builder
	changed := func(i int) bool { return i >= 0 && i < len(all) && all[i][0] != ' ' }
	folded := false
	for i, line := range all {
		if changed(i-1) || changed(i) || changed(i+1) {
			if folded && out.Len() > 0 {
				out.WriteString("  …\n")
			}
			out.WriteString(line + "\n")
			folded = false
		} else {
			folded = true
		}
	}
	return out.String()
}
