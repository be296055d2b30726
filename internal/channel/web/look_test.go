package web

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/channel"
)

func TestLook(t *testing.T) {
	tests := []struct {
		name   string
		fields map[string]string
		want   look
		faults []string
	}{
		{"nothing said", nil, look{Title: "AI 助手", Language: "zh"}, nil},
		{
			"all said",
			map[string]string{"title": "小智", "language": "en", "hello": "Hi", "notice": "Internal use", "ideas": "One?\n\n  Two?  \n"},
			look{Title: "小智", Language: "en", Hello: "Hi", Notice: "Internal use", Ideas: []string{"One?", "Two?"}},
			nil,
		},
		{"unknown language", map[string]string{"language": "fr"}, look{Title: "AI 助手", Language: "fr"}, []string{`language: "fr" is not known`}},
		{"a title like a book", map[string]string{"title": strings.Repeat("长", 61)}, look{Title: strings.Repeat("长", 61), Language: "zh"}, []string{"title: has 61 characters"}},
		{
			"too many ideas", map[string]string{"ideas": "1\n2\n3\n4\n5\n6\n7"}, look{Title: "AI 助手", Language: "zh", Ideas: []string{"1", "2", "3", "4", "5", "6", "7"}},
			[]string{"ideas: there are 7"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &settings{tenant: "acme", fields: map[string]string{"access": "open"}}
			for k, v := range tt.fields {
				s.fields[k] = v
			}
			c := New(s, channel.Deps{Loopback: true})
			if diff := cmp.Diff(tt.want, c.look); diff != "" {
				t.Error(diff)
			}
			if len(s.faults) != len(tt.faults) {
				t.Fatalf("faults = %q", s.faults)
			}
			for i, want := range tt.faults {
				if !strings.HasPrefix(s.faults[i], want) {
					t.Errorf("fault = %q, want %q", s.faults[i], want)
				}
			}
		})
	}
}

// A tenant's words are text in the page, whatever they hold.
func TestLookIsEscaped(t *testing.T) {
	s := openAccess()
	evil := `"><script>alert(1)</script>`
	s.fields["title"], s.fields["hello"], s.fields["notice"], s.fields["ideas"] = evil, evil, evil, evil
	_, html, _ := newBrowser(t).do("GET", serve(t, replica(t, newStore(), s)).URL+"/chat/acme/web", "")
	if strings.Contains(html, "<script>alert") || strings.Count(html, "alert(1)") < 4 {
		t.Errorf("page:\n%s", html)
	}
}
