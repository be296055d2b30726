package dingtalk

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/internal/channel"
	sim "parley/internal/sim/dingtalk"
)

// An administrator is told what is missing, by a channel that has nothing but a way to the platform.
func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		changes map[string]any
		app     sim.App
		fault   *sim.Fault
		says    []string // nothing: all is well
		silent  string
	}{
		"all is well":         {nil, sim.App{}, nil, nil, ""},
		"with cards":          {cards(), sim.App{}, nil, nil, ""},
		"in Stream mode":      {map[string]any{"mode": "stream"}, sim.App{}, nil, nil, ""},
		"a wrong secret":      {nil, sim.App{Secret: "another"}, nil, []string{"unauthenticated", "invalidClientIdOrSecret"}, testSecret},
		"may not send":        {nil, sim.App{Denied: []string{personPath}}, nil, []string{"qyapi_robot_sendmsg", "权限管理"}, "Card."},
		"may make no cards":   {cards(), sim.App{Denied: []string{createPath}}, nil, []string{"Card.Instance.Write"}, "Card.Streaming.Write"},
		"may not write cards": {cards(), sim.App{Denied: []string{streamPath, personPath}}, nil, []string{"Card.Streaming.Write", "qyapi_robot_sendmsg"}, "Card.Instance.Write"},
		"needs no cards":      {nil, sim.App{Denied: []string{createPath, streamPath}}, nil, nil, ""},
		"is blocked":          {nil, sim.App{}, &sim.Fault{API: personPath, Body: `{"status":1111}`}, []string{"blocks this address"}, ""},
		"gets no connection":  {map[string]any{"mode": "stream"}, sim.App{}, &sim.Fault{API: pathOpen, Status: 403, Body: `{"code":"x","message":"y"}`}, []string{"forbidden"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, sim.Options{})
			tc.app.Key, tc.app.Template = testKey, testTemplate
			if tc.app.Secret == "" {
				tc.app.Secret = testSecret
			}
			s.setUp(tc.app)
			if tc.fault != nil {
				s.sim.Inject(*tc.fault)
			}
			c, err := New(settings(tc.changes), channel.Deps{HTTP: s.deps().HTTP, Origins: s.deps().Origins, Log: s.deps().Log, Now: time.Now})
			s.must(err)
			err = c.(channel.Checker).Check(t.Context())
			if (err == nil) != (tc.says == nil) {
				t.Fatalf("%v", err)
			}
			said := fmt.Sprint(err)
			for _, want := range tc.says {
				if !strings.Contains(said, want) {
					t.Errorf("%q is missing in: %s", want, said)
				}
			}
			if tc.silent != "" && strings.Contains(said, tc.silent) {
				t.Errorf("%q is in: %s", tc.silent, said)
			}
		})
	}
}
