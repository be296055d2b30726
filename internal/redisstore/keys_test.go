package redisstore

import (
	"regexp"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/conversation"
)

var plainName = regexp.MustCompile(`^[-A-Za-z0-9._@%:#]{0,120}$`)

func TestName(t *testing.T) {
	long := strings.Repeat("x", 120)
	for _, tt := range []struct {
		values []string
		want   string
	}{
		{[]string{"app", "zhang.san@acme"}, "app:zhang.san@acme"},
		{[]string{"app", ""}, "app:"},
		{[]string{"", "app"}, ":app"},
		{[]string{""}, ""},
		{[]string{"a:b", "c"}, "a%3Ab:c"},
		{[]string{"a", "b:c"}, "a:b%3Ac"},
		{[]string{"{acme:00}"}, "%7Bacme%3A00%7D"},
		{[]string{"%3A"}, "%253A"},
		{[]string{"\x00\xff"}, "%00%FF"},
		{[]string{"张"}, "%E5%BC%A0"},
		{[]string{"#"}, "%23"},
		{[]string{long}, long},
	} {
		if got := name(tt.values...); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.values, got, tt.want)
		}
	}
	for _, v := range []string{long + "x", strings.Repeat("{", 41), strings.Repeat("x", 1<<20)} {
		if got := name(v); len(got) != 65 || got[0] != '#' {
			t.Errorf("%d bytes: %q, want # and a hash", len(v), got)
		}
	}
	if name(long+"x", "y") == name(long+"xy", "") || name(long, long) == name(long+":"+long) {
		t.Error("two long lists of values have one name")
	}
}

// Different values have different names, and every name is short and plain.
func FuzzName(f *testing.F) {
	f.Add("a:b", "c", "a", "b:c")
	f.Add("#", "", "", "#")
	f.Add(strings.Repeat("x", 119), "y", strings.Repeat("x", 119)+":", "y")
	f.Add("\xff", "%FF", "%FF", "\xff")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		one, two := name(a, b), name(c, d)
		if same := a == c && b == d; (one == two) != same {
			t.Errorf("%q %q is %q, %q %q is %q", a, b, one, c, d, two)
		}
		if !plainName.MatchString(one) {
			t.Errorf("%q %q is %q", a, b, one)
		}
	})
}

// All keys of a shard lie in one slot: their only braces are around the tag.
func TestOneSlot(t *testing.T) {
	key := chat.ConversationKey{Tenant: "ac}me{", Channel: "{}", ID: "}{"}
	if p := budgetPrefix(key.Tenant); p != "parley:1:{ac%7Dme%7B}:budget:" || budgetPrefix("clients") == clientsPrefix {
		t.Errorf("budget's prefix %q", p)
	}
	if p := seatsPrefix(key.Tenant); p != "parley:1:{ac%7Dme%7B}:seats:" || seatsPrefix("clients") == clientsPrefix {
		t.Errorf("seats' prefix %q", p)
	}
	for _, k := range []string{
		prefix(conversation.ShardOf(key)) + "c:" + handle(key), liveKey(key), feedKey(key), prefix(conversation.ShardOf(key)) + "o:" + name("{owner}"),
	} {
		if strings.Count(k, "{") != 1 || strings.Count(k, "}") != 1 || !strings.HasPrefix(k, "parley:1:{ac%7Dme%7B:") {
			t.Errorf("key %q", k)
		}
	}
}
