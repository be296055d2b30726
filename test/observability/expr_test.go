package observability

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The parts of an expression in PromQL that are no names of figures, in the order in which they are taken out. What promtool and Prometheus itself
// accept is not judged here, only read.
var (
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)
	matchers = regexp.MustCompile(`\{[^}]*\}`)
	ranges   = regexp.MustCompile(`\[[^\]]*\]`)
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	called   = regexp.MustCompile(`\b[a-z_0-9]+\s*\(`)
	name     = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*`)
	matched  = regexp.MustCompile(`([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)`)
	number   = regexp.MustCompile(`\b\d[\w.]*`)
)

// words of the language that stand where a name may.
var words = []string{"and", "or", "unless", "offset", "bool", "group_left", "group_right", "by", "on", "ignoring", "without", "inf", "nan"}

// reads gives the figures that an expression reads, and the labels that it names.
func reads(expr string) (figures, labels []string) {
	expr = quoted.ReplaceAllString(expr, `""`)
	for _, m := range matchers.FindAllString(expr, -1) {
		for _, l := range matched.FindAllStringSubmatch(m, -1) {
			labels = append(labels, l[1])
		}
	}
	expr = ranges.ReplaceAllString(matchers.ReplaceAllString(expr, ""), "")
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		labels = append(labels, name.FindAllString(m[2], -1)...)
	}
	expr = called.ReplaceAllString(grouping.ReplaceAllString(expr, " "), "(")
	for _, n := range name.FindAllString(number.ReplaceAllString(expr, " "), -1) {
		if !slices.Contains(words, n) {
			figures = append(figures, n)
		}
	}
	slices.Sort(figures)
	slices.Sort(labels)
	return slices.Compact(figures), slices.Compact(labels)
}

func TestReads(t *testing.T) {
	for expr, want := range map[string][2][]string{
		`up`: {{"up"}, nil},
		`sum by (job) (up{job=~"parley-(client|server)"}) == 0`:                                   {{"up"}, {"job"}},
		`histogram_quantile(0.99, sum by (le, kind) (rate(a_bucket{x="}",y!="[5m]"}[5m]))) > 1e3`: {{"a_bucket"}, {"kind", "le", "x", "y"}},
		"max by (t) (a) > 60\nor\nmax by (t) (b:c:rate5m offset 5m) > 60":                         {{"a", "b:c:rate5m"}, {"t"}},
		`sum(a) / ignoring (d) group_left sum by (p) (rate(b[5m])) * 60 - time()`:                 {{"a", "b"}, {"d", "p"}},
		`a unless on (t) b and c`: {{"a", "b", "c"}, {"t"}},
	} {
		figures, labels := reads(expr)
		if diff := cmp.Diff(want, [2][]string{figures, labels}); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", expr, diff)
		}
	}
}
