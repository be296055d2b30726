package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/sim/wecom"
)

func TestFeed(t *testing.T) {
	f := newFeed()
	ask := func(from string) (list []string, status int) {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/feed?from="+from, nil))
		var sent []wecom.Sent
		if w.Code == http.StatusOK {
			if err := json.Unmarshal(w.Body.Bytes(), &sent); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range sent {
			list = append(list, s.Content)
		}
		return list, w.Code
	}
	for _, text := range []string{"a", "b", "c"} {
		f.add(wecom.Sent{Content: text})
	}
	for _, c := range []struct {
		from   string
		want   []string
		status int
	}{
		{"0", []string{"a", "b", "c"}, 200},
		{"2", []string{"c"}, 200},
		{"-1", nil, 400},
		{"", nil, 400},
	} {
		t.Run("from "+c.from, func(t *testing.T) {
			got, status := ask(c.from)
			if diff := cmp.Diff(c.want, got); diff != "" || status != c.status {
				t.Errorf("status %d (-want +got):\n%s", status, diff)
			}
		})
	}
	t.Run("waits for the next", func(t *testing.T) {
		time.AfterFunc(10*time.Millisecond, func() { f.add(wecom.Sent{Content: "d"}) })
		got, _ := ask("3")
		if diff := cmp.Diff([]string{"d"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("tells in the end that there is none", func(t *testing.T) {
		if got, status := ask("4"); len(got) != 0 || status != http.StatusOK {
			t.Errorf("got %v, %d", got, status)
		}
	})
}
