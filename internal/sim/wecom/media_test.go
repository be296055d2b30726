package wecom

import (
	"io"
	"net/http"
	"testing"
	"time"
)

func TestMedia(t *testing.T) {
	b := newBench(t, Options{TokenLife: 1000 * time.Hour}, testApp())
	token := b.token()
	id := b.PutMedia("ww1", "image/png", []byte("\x89PNG"))
	foreign := b.PutMedia("ww2", "image/png", []byte("\x89PNG"))
	resp, err := http.Get(b.url + "/cgi-bin/media/get?access_token=" + token + "&media_id=" + id)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if data, _ := io.ReadAll(resp.Body); string(data) != "\x89PNG" || resp.Header.Get("Content-Type") != "image/png" {
		t.Errorf("%q, %v", data, resp.Header)
	}
	for name, query := range map[string]struct {
		q    string
		code int64
	}{
		"another corp's": {"access_token=" + token + "&media_id=" + foreign, 40007},
		"none":           {"access_token=" + token, 40007},
		"no token":       {"media_id=" + id, 41001},
	} {
		if a := b.call("GET", "/cgi-bin/media/get?"+query.q, ""); a.Code != query.code {
			t.Errorf("%s: %+v", name, a)
		}
	}
	b.add(73 * time.Hour)
	if a := b.call("GET", "/cgi-bin/media/get?access_token="+token+"&media_id="+id, ""); a.Code != 40007 {
		t.Errorf("after three days: %+v", a)
	}
}

func TestAgent(t *testing.T) {
	b := newBench(t, Options{}, testApp())
	for agent, code := range map[string]int64{"1000002": 0, "7": 301002, "": 301002} {
		if a := b.call("GET", "/cgi-bin/agent/get?access_token="+b.token()+"&agentid="+agent, ""); a.Code != code {
			t.Errorf("agent %q: %+v", agent, a)
		}
	}
}
