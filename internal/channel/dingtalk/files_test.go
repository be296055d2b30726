package dingtalk

import (
	"bytes"
	"encoding/json"
	"testing"

	"parley/internal/channel"
	"parley/internal/chat"
	sim "parley/internal/sim/dingtalk"
)

func png(size int) []byte {
	return append([]byte("\x89PNG\x0d\x0a\x1a\x0a"), bytes.Repeat([]byte{7}, size-8)...)
}

func TestFetch(t *testing.T) {
	jpeg := append([]byte("\xff\xd8\xff\xe0"), bytes.Repeat([]byte{1}, 100)...)
	s := newStage(t, sim.Options{})
	c := s.replica(nil)
	m := s.hear(c, sim.Message{User: "zhang", Type: "richText", Text: "哪张好？", Pictures: [][]byte{png(50), jpeg}})
	got, err := c.(channel.Fetcher).Fetch(t.Context(), m)
	s.must(err)
	if len(got) != 2 || got[0].Type != "image/png" || !bytes.Equal(got[0].Data, png(50)) || got[1].Type != "image/jpeg" || !bytes.Equal(got[1].Data, jpeg) {
		t.Errorf("%d pictures: %.60q", len(got), got)
	}
}

func TestFetchRefuses(t *testing.T) {
	const get, ask = "/files/", "/v1.0/robot/messageFiles/download"
	for name, tc := range map[string]struct {
		picture []byte
		fault   sim.Fault
		files   []string // nil: the platform's
		want    chat.Kind
	}{
		"too large":           {png(channel.MaxImage + 1), sim.Fault{API: "-"}, nil, chat.TooLarge},
		"no picture":          {[]byte("<svg onload=alert(1)>"), sim.Fault{API: "-"}, nil, chat.Invalid},
		"nothing":             {nil, sim.Fault{API: "-"}, nil, chat.Invalid},
		"a code of yesterday": {png(20), sim.Fault{API: ask, Status: 400, Body: `{"code":"downloadCode.invalid","message":"x"}`}, nil, chat.NotFound},
		"an address expired":  {png(20), sim.Fault{API: get, Status: 403}, nil, chat.NotFound},
		"a file gone":         {png(20), sim.Fault{API: get, Status: 404}, nil, chat.NotFound},
		"storage is away":     {png(20), sim.Fault{API: get, Status: 503}, nil, chat.Unavailable},
		"a redirect":          {png(20), sim.Fault{API: get, Redirect: "http://169.254.169.254/"}, nil, chat.NotFound},
		"too many calls":      {png(20), sim.Fault{API: ask, Status: 403, Body: `{"code":"Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"}`}, nil, chat.RateLimited},
		"no permission":       {png(20), sim.Fault{API: ask, Status: 403, Body: `{"code":"Forbidden.AccessDenied.AccessTokenPermissionDenied"}`}, nil, chat.Forbidden},
		"somewhere else":      {png(20), sim.Fault{API: "-"}, []string{"https://*.dingtalk.com"}, chat.Forbidden},
		"within the machine":  {png(20), sim.Fault{API: ask, Body: `{"downloadUrl":"http://169.254.169.254/latest"}`}, nil, chat.Forbidden},
		"no address":          {png(20), sim.Fault{API: ask, Body: `{}`}, nil, chat.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, sim.Options{})
			d := s.deps()
			if tc.files != nil {
				d.Origins.DingTalkFiles = tc.files
			}
			c := newRobot(t, d, nil)
			m := s.hear(c, sim.Message{User: "zhang", Type: "picture", Pictures: [][]byte{tc.picture}})
			s.sim.Inject(tc.fault)
			got, err := c.(channel.Fetcher).Fetch(t.Context(), m)
			if len(got) > 0 || chat.KindOf(err) != tc.want {
				t.Errorf("%d pictures, %v, want %v", len(got), err, tc.want)
			}
		})
	}
}

func TestStrangeReferences(t *testing.T) {
	c := newStage(t, sim.Options{}).replica(nil).(channel.Fetcher)
	for _, ref := range []string{"", "7", "{}", `{"code":""}`} {
		if _, err := c.Fetch(t.Context(), chat.Message{Images: []chat.Image{{Ref: json.RawMessage(ref)}}}); chat.KindOf(err) != chat.Internal {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if got, err := c.Fetch(t.Context(), chat.Message{}); len(got) > 0 || err != nil {
		t.Errorf("no pictures: %v, %v", got, err)
	}
}

func TestFileAddress(t *testing.T) {
	origins := []string{"https://*.dingtalk.com", "https://*.aliyuncs.com", "http://127.0.0.1:8080", "https://*.example.com:8443"}
	for address, want := range map[string]string{
		"https://static.dingtalk.com/a?x=1":                                                     "https://static.dingtalk.com/a?x=1",
		"http://wukong-file-im-zjk.oss-cn-zhangjiakou.aliyuncs.com/a?Expires=1&Signature=b%2Fc": "https://wukong-file-im-zjk.oss-cn-zhangjiakou.aliyuncs.com/a?Expires=1&Signature=b%2Fc",
		"http://x.aliyuncs.com:80/a":                                                            "https://x.aliyuncs.com/a",
		"https://A.DingTalk.COM/a":                                                              "https://A.DingTalk.COM/a",
		"http://127.0.0.1:8080/a":                                                               "http://127.0.0.1:8080/a",
		"https://a.example.com:8443/a":                                                          "https://a.example.com:8443/a",
		"https://a.example.com/a":                                                               "",
		"https://dingtalk.com/a":                                                                "",
		"https://evildingtalk.com/a":                                                            "",
		"https://static.dingtalk.com.evil/a":                                                    "",
		"https://u:p@static.dingtalk.com/a":                                                     "",
		"https://static.dingtalk.com:8443/a":                                                    "",
		"http://static.dingtalk.com:8080/a":                                                     "",
		"https://evil/?.dingtalk.com":                                                           "",
		"https://evil#.dingtalk.com":                                                            "",
		"https://127.0.0.1:8080/a":                                                              "",
		"file:///etc/passwd":                                                                    "",
		"ftp://static.dingtalk.com/a":                                                           "",
		"//static.dingtalk.com/a":                                                               "",
		"":                                                                                      "",
	} {
		got, ok := fileAddress(address, origins)
		if got != want || ok != (want != "") {
			t.Errorf("fileAddress(%q) = %q, %v, want %q", address, got, ok, want)
		}
	}
}
