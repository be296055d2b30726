package dingtalk

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// card is an AI card in a chat.
type card struct {
	Shown
	guids []string
}

// creation is what createAndDeliver takes.
type creation struct {
	Template string `json:"cardTemplateId"`
	Track    string `json:"outTrackId"`
	Data     *struct {
		Params map[string]string `json:"cardParamMap"`
	} `json:"cardData"`
	Space      string          `json:"openSpaceId"`
	IDs        int             `json:"userIdType"`
	GroupSpace json.RawMessage `json:"imGroupOpenSpaceModel"`
	Group      *struct {
		Robot string            `json:"robotCode"`
		At    map[string]string `json:"atUserIds"`
	} `json:"imGroupOpenDeliverModel"`
	RobotSpace json.RawMessage `json:"imRobotOpenSpaceModel"`
	Robot      *struct {
		Space string `json:"spaceType"`
		Robot string `json:"robotCode"`
	} `json:"imRobotOpenDeliverModel"`
}

func (s *Sim) createCard(a *app, body []byte) (int, any) {
	var q creation
	no := func(code string) (int, any) { return refuse(http.StatusBadRequest, code, code) }
	if json.Unmarshal(body, &q) != nil || q.Data == nil {
		return no("param.empty")
	}
	scene, id, _ := strings.Cut(strings.TrimPrefix(q.Space, "dtv1.card//"), ".")
	switch {
	case q.Template == "":
		return no("param.cardTemplateIdEmpty")
	case q.Template != a.Template:
		return no("param.cardTemplateNotExist")
	case q.Track == "":
		return no("param.outTrackIdEmpty")
	case !strings.HasPrefix(q.Space, "dtv1.card//") || id == "":
		return no("param.openSpaceIdInvalid")
	case scene == "IM_ROBOT" && (q.Robot == nil || q.Robot.Space != "IM_ROBOT" || len(q.RobotSpace) == 0),
		scene == "IM_GROUP" && (q.Group == nil || q.Group.Robot != a.Robot || len(q.GroupSpace) == 0),
		scene != "IM_ROBOT" && scene != "IM_GROUP":
		return no("param.openSpaceModelInvalid")
	case scene == "IM_ROBOT" && strings.HasPrefix(id, "$"):
		return no("param.userIdNotExist")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cards[q.Track] != nil { // what the platform says is not documented
		return no("param.outTrackIdDuplicate")
	}
	c := &card{Shown: Shown{App: a.Key, Chat: id, Way: WayCard, Type: "card", Card: q.Track, Content: q.Data.Params[a.Variable], At: s.opt.Now()}}
	if q.Group != nil {
		for user := range q.Group.At {
			c.Mentions = append(c.Mentions, user)
		}
	}
	s.cards[q.Track] = c
	s.ledger.show(c.Shown)
	return http.StatusOK, map[string]any{"success": true, "result": map[string]any{
		"outTrackId": q.Track, "deliverResults": []any{map[string]any{"spaceType": scene, "spaceId": id, "success": true, "errorMsg": "", "carrierId": "x"}},
	}}
}

func (s *Sim) streamCard(a *app, body []byte) (int, any) {
	var q struct {
		Track string  `json:"outTrackId"`
		GUID  string  `json:"guid"`
		Key   string  `json:"key"`
		Text  *string `json:"content"`
		Full  bool    `json:"isFull"`
		End   bool    `json:"isFinalize"`
		Error bool    `json:"isError"`
	}
	no := func(code string) (int, any) { return refuse(http.StatusBadRequest, code, code) }
	if json.Unmarshal(body, &q) != nil || q.Track == "" || q.GUID == "" || q.Text == nil {
		return no("param.empty")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cards[q.Track]
	switch {
	case c == nil || c.App != a.Key:
		return no("param.cardNotExist")
	case slices.Contains(c.guids, q.GUID):
		return http.StatusOK, map[string]any{"success": true, "result": true}
	case q.Key != a.Variable:
		return no("param.keyNotExist")
	case c.Final || c.Failed: // assumed: an end is the end
		return no("param.cardFinished")
	case !q.Full: // of Markdown only the whole text can be written
		return no("param.isFullInvalid")
	}
	c.guids = append(c.guids, q.GUID)
	if !q.Error || *q.Text != "" {
		c.Content = *q.Text
	}
	c.Final, c.Failed = q.End && !q.Error, q.Error
	s.ledger.show(c.Shown)
	return http.StatusOK, map[string]any{"success": true, "result": true}
}
