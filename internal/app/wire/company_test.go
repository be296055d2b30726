package wire_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/app/wire"
	"parley/internal/channel"
	"parley/internal/chat"
	"parley/internal/liveconfig"
)

// TestCompanyFaults: whatever is wrong with a channel is said with its line and path, beside all other faults of the document.
func TestCompanyFaults(t *testing.T) {
	const good = "env:ACME_" + "0123456789012345678901234567890123456789012" // resolves to its 43 digits
	for name, tt := range map[string]struct {
		channels string
		want     []string
	}{
		"an AES key": {
			"- {name: app, kind: wecom, corp_id: ww1, agent_id: 7, secret: env:ACME_S, token: env:ACME_T, aes_key: env:ACME_SHORT}\n",
			[]string{"tenant.acme:4: channels[0].aes_key: must be the 43 letters"},
		},
		"an AES key among other faults": {
			"- {name: app, kind: wecom, corp_id: ww1, agent_id: -7, secret: env:ACME_S, token: env:ACME_T,\n    aes_key: env:ACME_SHORT}\n" +
				"  - {name: two, kind: wecomkf, corp_id: ww1, secret: env:ACME_S, token: env:ACME_T, aes_key: env:ACME_SHORT}\n" +
				"  - {name: three, kind: web, access: nobody}\n",
			[]string{"tenant.acme:4: channels[0].agent_id: is -7", "tenant.acme:5: channels[0].aes_key: must be the 43", "tenant.acme:6: channels[1].aes_key: must be the 43",
				`tenant.acme:7: channels[2].access: "nobody" is not known`},
		},
		"what follows from a missing field is not said": {
			"- {name: app, kind: wecom, corp_id: ww1, agent_id: 7, secret: env:ACME_S, aes_key: " + good + "}\n  - {name: ding, kind: dingtalk, app_key: k}\n",
			[]string{"tenant.acme:4: channels[0].token: is missing", "tenant.acme:5: channels[1].app_secret: is missing"},
		},
		"two channels with one key": {
			"- {name: a, kind: openai, keys: " + good + "}\n  - {name: b, kind: openai, keys: " + good + ", per_minute: some}\n",
			[]string{"tenant.acme:4: channels: channels a and b have a key in common", "tenant.acme:5: channels[1].per_minute: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			resolve := func(_, ref string) (chat.Secret, error) {
				return chat.NewSecret(strings.TrimPrefix(ref, "env:ACME_")), nil
			}
			doc := liveconfig.Document{Name: "tenant.acme", Content: []byte("name: acme\nmodel: chat\nchannels:\n  " + tt.channels)}
			_, err := wire.DecodeCompany(doc, resolve, channel.Deps{Now: time.Now})
			faults, _ := errors.AsType[chat.Faults](err)
			var got []string
			for i, f := range faults {
				if got = append(got, f.String()); i < len(tt.want) && strings.HasPrefix(f.String(), tt.want[i]) {
					got[i] = tt.want[i]
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
