package operate

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTroublesHaveAChineseForm: what the status says of its own accord stands in the console's list, too. Formats are compared by their words.
func TestTroublesHaveAChineseForm(t *testing.T) {
	list, err := os.ReadFile(filepath.Join("..", "console", "assets", "troubles.js"))
	if err != nil {
		t.Fatal(err)
	}
	known := strings.NewReplacer("(S+)", "%", "(d+)", "%", "(.*?)", "%").Replace(strings.ReplaceAll(string(list), `\`, ""))
	source, err := os.ReadFile("status_verdict.go")
	if err != nil {
		t.Fatal(err)
	}
	verb := regexp.MustCompile(`%(\.0f|[ds])`)
	found := 0
	for _, m := range regexp.MustCompile(`v\.add\([^"]*"\w+",[^"]*"([^"]+)"`).FindAllStringSubmatch(string(source), -1) {
		text := strings.TrimSpace(verb.ReplaceAllString(m[1], "%"))
		if words := strings.Trim(text, "%: "); words != "" {
			if found++; !strings.Contains(known, words) {
				t.Errorf("%q has no line in troubles.js", m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d texts were found: the source is written otherwise", found)
	}
}
