package console

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// TestChinese: every text of the page has a Chinese form, and none is left over.
func TestChinese(t *testing.T) {
	entry := regexp.MustCompile(`(?:"((?:[^"\\]|\\.)*)"|\b(\w+)): "((?:[^"\\]|\\.)*)"`)
	used := regexp.MustCompile(`\bt\("((?:[^"\\]|\\.)*)"\)`)
	titles := regexp.MustCompile(`title: "([^"]+)"`)
	chinese, err := files.ReadFile("assets/chinese.js")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range entry.FindAllStringSubmatch(string(chinese), -1) {
		name := m[1] + m[2]
		if known[name] {
			t.Errorf("%q stands twice", name)
		}
		if known[name] = true; strings.TrimSpace(m[3]) == "" {
			t.Errorf("%q has an empty form", name)
		}
	}
	all := ""
	names, _ := fs.Glob(files, "assets/*.js")
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != "assets/chinese.js" {
			all += string(text)
		}
		for _, find := range []*regexp.Regexp{used, titles} {
			for _, m := range find.FindAllStringSubmatch(string(text), -1) {
				if !known[m[1]] {
					t.Errorf("%s: %q has no Chinese form", name, m[1])
				}
			}
		}
		for _, bad := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://"} {
			if strings.Contains(strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", ""), bad) {
				t.Errorf("%s has %s", name, bad)
			}
		}
	}
	roles := "viewer operator admin command console chat degrade restore drain undrain publish retry drop login login_refused look forget attempts undeliverable no_channel"
	for name := range known {
		if !strings.Contains(all, `"`+name+`"`) && !strings.Contains(" "+roles+" ", " "+name+" ") {
			t.Errorf("%q is used nowhere", name)
		}
	}
}
