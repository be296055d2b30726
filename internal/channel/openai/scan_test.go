package openai

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scanned are bodies, and whether their messages are read without encoding/json.
var scanned = map[string]bool{
	`{"messages":[{"role":"user","content":"a"}],"model":"chat"}`:                                                   true,
	" {\n\"model\" : \"chat\" ,\t\"stop\":[\"}\",{\"a\":[1,2]}], \"messages\" : [ { \"content\" : \"a\" } ] } \r\n": true,
	`{"model":"a\"b\\","messages":[{"role":"user","content":"a\nb\u4f60\\\"c"}]}`:                                   true,
	`{"messages":[{"role":"user","role":"assistant","content":"a","content":"b"}]}`:                                 true,
	"{\"messages\":[{\"content\":\"a\xff\"}]}":                                                                      true,
	`{"seed":-1.5e3,"n":null,"stream":true,"messages":[{"content":""},{"role":"你好你好你好"}]}`:                          true,
	`{"messages":[{"content":"a"}],"messages":[]}`:                                                                  false,
	`{"messages":[{"content":"a"}],"Messages":[{"content":"b"}]}`:                                                   false,
	`{"messages":[{"content":"a"}],"messages":[{}]}`:                                                                false,
	`{"messages":[{"content":"a"}],"me\u017f\u017fages":null}`:                                                      false,
	"{\"messages\":[{\"content\":\"a\"}],\"me\u017f\u017fages\":null}":                                              false,
	`{"messages":[{"content":"a"}],"messages":null}`:                                                                false,
	`{"messages":[{"content":"a"}]} x`:                                                                              true,
	`{"n":,"messages":[{"content":"a"}]}`:                                                                           true,
	`{"messages":[{"content":"a"}],"n":"a`:                                                                          true,
	`{"n":],"messages":[{"content":"a"}]}`:                                                                          false,
	`{"n":1]2,"messages":[{"content":"a"}]}`:                                                                        false,
	`{"n" 1,"messages":[{"content":"a"}]}`:                                                                          false,
	`{"n":"a,"messages":[{"content":"a"}]}`:                                                                         false,
	`{"messages":[]}`:                                                                                               false,
	`{"messages":null}`:                                                                                             false,
	`{"messages":[{}]}`:                                                                                             false,
	`{"messages":[{"content":["a"]}]}`:                                                                              false,
	`{"messages":[{"content":"a","name":"n"}]}`:                                                                     false,
	`{"messages":[{"Content":"a"}]}`:                                                                                false,
	"{\"messages\":[{\"content\":\"a\nb\"}]}":                                                                       false,
	"{\"messages\":[{\"content\":\"12345678\x1f2345678\"}]}":                                                        false,
	`{"messages":[{"content":"a"}`:                                                                                  false,
	`{"messages":[{"content":"a\"}]}`:                                                                               false,
	`[{"messages":[{"content":"a"}]}]`:                                                                              false,
	``:                                                                                                              false,
}

func TestScan(t *testing.T) {
	for body, want := range scanned {
		if _, _, ok := withoutMessages([]byte(body)); ok != want {
			t.Errorf("%s: %v", body, ok)
		}
		sameAsJSON(t, []byte(body))
	}
	long := `{"messages":[{"role":"user","content":"` + strings.Repeat(`\"`, 1<<20) + `"}],"model":"chat"}`
	sameAsJSON(t, []byte(long))
}

// FuzzScan: what is read is what encoding/json reads, and what it refuses is refused in its words.
func FuzzScan(f *testing.F) {
	for body := range scanned {
		f.Add([]byte(body))
	}
	f.Fuzz(sameAsJSON)
}

func sameAsJSON(t *testing.T, body []byte) {
	t.Helper()
	want, refused := decode(body)
	got, f := parse(body)
	if diff := cmp.Diff(refused, f, cmp.AllowUnexported(failure{})); diff != "" {
		t.Errorf("%q: %s", body, diff)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q: %s", body, diff)
	}
}
