package route

import (
	"fmt"
	"strings"
	"testing"
)

func TestAuth(t *testing.T) {
	const azure = "https://acme.openai.azure.com/openai"
	o := options()
	o.Outbound = append(o.Outbound, "https://acme.openai.azure.com")
	for name, test := range map[string]struct {
		entry            string
		base, auth, appl string // compiled
		fault            string
	}{
		"bearer":            {"dialect: openai, base_url: 'https://api.openai.com/v1/'", "https://api.openai.com/v1", AuthBearer, "", ""},
		"Azure v1":          {"dialect: openai, base_url: '" + azure + "/v1'", azure + "/v1", AuthBearer, "", ""},
		"Azure v1, own way": {"dialect: openai, base_url: '" + azure + "/v1', auth: api-key", azure + "/v1", AuthAPIKey, "", ""},
		"Azure deployment": {"dialect: openai, base_url: '" + azure + "/deployments/d/?api-version=2024-10-21'",
			azure + "/deployments/d?api-version=2024-10-21", AuthAPIKey, "", ""},
		"Azure with Entra": {"dialect: openai, base_url: '" + azure + "/deployments/d?api-version=2024-10-21', auth: bearer",
			azure + "/deployments/d?api-version=2024-10-21", AuthBearer, "", ""},
		"JWT":   {"dialect: chatglm, base_url: 'https://open.bigmodel.cn/api/paas/v4', auth: jwt", "https://open.bigmodel.cn/api/paas/v4", AuthJWT, "", ""},
		"appid": {"dialect: ernie, base_url: 'https://qianfan.baidubce.com/v2', appid: app-x1", "https://qianfan.baidubce.com/v2", AuthBearer, "app-x1", ""},

		"unknown way":     {"dialect: openai, base_url: 'https://api.openai.com/v1', auth: basic", "", "", "", `p.auth: "basic" is not known; write bearer, api-key or jwt`},
		"JWT elsewhere":   {"dialect: ernie, base_url: 'https://qianfan.baidubce.com/v2', auth: jwt", "", "", "", "p.auth: jwt is Zhipu's way"},
		"appid elsewhere": {"dialect: openai, base_url: 'https://api.openai.com/v1', appid: app-x", "", "", "", "p.appid: is an application of Qianfan"},
		"bad appid":       {`dialect: ernie, base_url: 'https://qianfan.baidubce.com/v2', appid: "x\r\ny: z"`, "", "", "", "p.appid: must be the id of an application"},
		"simulated":       {"dialect: simulated, auth: bearer", "", "", "", "p.auth: does not fit dialect simulated"},
		"key in query":    {"dialect: openai, base_url: 'https://api.openai.com/v1?api-key=sk-1'", "", "", "", "p.base_url: has a query other than ?api-version=…"},
		"key beside":      {"dialect: openai, base_url: 'https://api.openai.com/v1?api-version=1&api-key=sk-1'", "", "", "", "p.base_url: has a query other than"},
		"empty query":     {"dialect: openai, base_url: 'https://api.openai.com/v1?'", "", "", "", "p.base_url: has a query other than"},
		"user":            {"dialect: openai, base_url: 'https://u:p@api.openai.com/v1'", "", "", "", "p.base_url: has a user or a fragment"},
	} {
		t.Run(name, func(t *testing.T) {
			table, err := Parse(fmt.Appendf(nil, "providers:\n  p: {%s}\nmodels: {chat: [p/m]}\n", test.entry), o)
			if test.fault != "" {
				if err == nil || !strings.Contains(err.Error(), test.fault) || strings.Contains(err.Error(), "sk-1") {
					t.Fatalf("got %v, want %q", err, test.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p := table.Provider("p")
			if p.BaseURL != test.base || p.Auth != test.auth || p.AppID != test.appl {
				t.Errorf("got %q, %q, %q", p.BaseURL, p.Auth, p.AppID)
			}
		})
	}
}
