package wecom

import (
	"net/http"
	"strconv"
	"time"
)

// mediaFor is how long the platform keeps a temporary file (document 90254).
const mediaFor = 3 * 24 * time.Hour

// medium is a temporary file; any application of its corp may fetch it.
type medium struct {
	corp string
	file
	until time.Time
}

// file is an answer that is no JSON.
type file struct {
	Type string
	Data []byte
}

// PutMedia stores what a person sent and gives its media_id.
func (s *Sim) PutMedia(corpID, contentType string, data []byte) (mediaID string) {
	mediaID = "MEDIA_" + s.newID()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.media[mediaID] = medium{corpID, file{contentType, data}, s.opt.Now().Add(mediaFor)}
	return mediaID
}

// getMedia gives a file, or a refusal as JSON, with 200 as well (document 90254).
func (s *Sim) getMedia(r *http.Request) any {
	a, no := s.holder(r)
	if a == nil {
		return no
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.media[r.URL.Query().Get("media_id")]
	if !ok || m.corp != a.CorpID || !s.opt.Now().Before(m.until) {
		return refusal(40007, "invalid media_id")
	}
	return m.file
}

// agentInfo is agent/get's answer (document 90227), as far as anybody reads it.
type agentInfo struct {
	answer
	AgentID int64  `json:"agentid"`
	Name    string `json:"name"`
	Users   struct {
		User []userInfo `json:"user"`
	} `json:"allow_userinfos"`
	Parties struct {
		ID []int64 `json:"partyid"`
	} `json:"allow_partys"`
	Close int `json:"close"`
}

type userInfo struct {
	ID string `json:"userid"`
}

// getAgent tells an application about itself.
func (s *Sim) getAgent(r *http.Request) any {
	a, no := s.holder(r)
	switch {
	case a == nil:
		return no
	case r.URL.Query().Get("agentid") != strconv.FormatInt(a.AgentID, 10):
		return refusal(301002, "not allow operate another agent with this accesstoken")
	}
	info := agentInfo{answer: answer{Message: "ok"}, AgentID: a.AgentID, Name: "Parley"}
	for _, u := range a.Users {
		info.Users.User = append(info.Users.User, userInfo{u})
	}
	if len(a.Users) == 0 {
		info.Parties.ID = []int64{1} // the whole company
	}
	if a.Stopped {
		info.Close = 1
	}
	return info
}
