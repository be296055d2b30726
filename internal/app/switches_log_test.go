package app

import (
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/route"
)

// lines collects log lines as "message action id …".
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(p []byte) (int, error) {
	var m map[string]any
	if err := json.Unmarshal(p, &m); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	text := ""
	for _, k := range []string{"action", "id", "to", "tenants", "was", "revision", "by", "reason", "until", "ramp"} {
		switch v := m[k].(type) {
		case nil:
		case string:
			text += k + "=" + v + " "
		default:
			b, _ := json.Marshal(v)
			text += k + "=" + string(b) + " "
		}
	}
	l.all = append(l.all, strings.TrimSpace(text))
	return len(p), nil
}

func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.all
	l.all = nil
	return all
}

// TestSwitchLog: a server records what becomes of every switch, once, and when its time is over.
func TestSwitchLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &lines{}
		l := newSwitchLog(slog.New(slog.NewJSONHandler(out, nil)))
		end := time.Now().Add(time.Minute).Format(time.RFC3339)
		for _, step := range []struct {
			name, revision, doc string
			wait                time.Duration
			want                []string
		}{
			{"nothing yet", "", "switches: []", 0, nil},
			{"on", "r1", "switches: [{id: a, active: true, to: chatglm, by: li, reason: outage}, {id: b, active: false, to: ernie}]", 0,
				[]string{"action=switch on id=a to=chatglm tenants=[] was= revision=r1 by=li reason=outage"}},
			{"the same form again", "r1", "switches: [{id: a, active: true, to: chatglm, by: li, reason: outage}, {id: b, active: false, to: ernie}]", 0, nil},
			{"changed; another on", "r2", "switches: [{id: a, active: true, to: chatglm, tenants: [acme]}, {id: b, active: true, to: ernie, ramp: 10s, until: \"" + end + "\"}]", 0,
				[]string{"action=switch changed id=a to=chatglm tenants=[\"acme\"] was=r1 revision=r2 by= reason=",
					"action=switch on id=b to=ernie tenants=[] was=r1 revision=r2 by= reason= until=" + end + " ramp=10s"}},
			{"a word of the reason alone", "r3", "switches: [{id: a, active: true, to: chatglm, tenants: [acme], reason: x}, {id: b, active: true, to: ernie, ramp: 10s, until: \"" + end + "\"}]", time.Minute,
				[]string{"action=switch over id=b to=ernie tenants=[] was=r3 revision=r3 by= reason= until=" + end + " ramp=10s"}},
			{"off", "r4", "switches: [{id: a, active: false, to: chatglm, by: wu, reason: back}, {id: c, active: true, to: ernie}]", 0,
				[]string{"action=switch off id=a to=chatglm tenants=[] was=r3 revision=r4 by=wu reason=back",
					"action=switch on id=c to=ernie tenants=[] was=r3 revision=r4 by= reason="}},
			{"removed", "r5", "switches: []", time.Hour, []string{"action=switch removed id=c to=ernie tenants=[] was=r4 revision=r5 by= reason="}},
		} {
			d, err := route.ParseDegradation([]byte(step.doc), "", "")
			if err != nil {
				t.Fatal(err)
			}
			d.Revision = step.revision
			l.take(d)
			time.Sleep(step.wait)
			synctest.Wait()
			if diff := cmp.Diff(step.want, out.take()); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", step.name, diff)
			}
		}
	})
}
