package figures_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/test/figures"
)

func TestSheet(t *testing.T) {
	r := figures.Run{CPU: "test", Cores: 2, Commit: "abc", Command: "-x"}
	sh := new(figures.Sheet)
	r.Head(sh, "bench")
	sh.Row("most", "%d", 3)
	sh.List([]string{"a fault"})
	for _, want := range []string{"\nParley abc: go run ./test/bench -x\n", "2 × test", "  most", " 3\n", "    a fault\n"} {
		if !strings.Contains(sh.String(), want) {
			t.Errorf("no %q in:\n%s", want, sh)
		}
	}
}

func TestWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out.json")
	r := figures.Begin(t.Context())
	r.End()
	if err := figures.Write("", r, file); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	var back figures.Run
	if err != nil || json.Unmarshal(b, &back) != nil || back != r || back.Cores == 0 || back.Go == "" {
		t.Errorf("%v: %s became %+v, was %+v", err, b, back, r)
	}
}
