package dingtalk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// notDelivered is the code of a card that was made and could not be put into its chat.
const notDelivered = "notDelivered"

// creation makes a card and puts it into a chat (document "create and deliver cards").
type creation struct {
	Template string   `json:"cardTemplateId"`
	Track    string   `json:"outTrackId"`
	Data     cardData `json:"cardData"`
	Callback string   `json:"callbackType"`
	Space    string   `json:"openSpaceId"`
	IDs      int      `json:"userIdType"` // 1: userId

	Group        *space        `json:"imGroupOpenSpaceModel,omitempty"`
	DeliverGroup *deliverGroup `json:"imGroupOpenDeliverModel,omitempty"`
	Robot        *space        `json:"imRobotOpenSpaceModel,omitempty"`
	DeliverRobot *deliverRobot `json:"imRobotOpenDeliverModel,omitempty"`
}

type cardData struct {
	Params map[string]string `json:"cardParamMap"`
}

type space struct {
	Forward bool `json:"supportForward"`
}

type deliverGroup struct {
	Robot string            `json:"robotCode"`
	At    map[string]string `json:"atUserIds,omitempty"` // userId: what is shown behind the @
}

type deliverRobot struct {
	Space string `json:"spaceType"`
	Robot string `json:"robotCode"`
}

// update is one state of a card's text (document "AI card streaming update").
type update struct {
	Track string `json:"outTrackId"`
	GUID  string `json:"guid"` // the platform takes an update once
	Key   string `json:"key"`
	Text  string `json:"content"`
	Full  bool   `json:"isFull"`
	End   bool   `json:"isFinalize"`
	Error bool   `json:"isError"`
}

// track is the card's own id: the same for a message on every replica, so that who takes a turn over finds what was begun.
func (r *robot) track(m chat.Message) string {
	sum := sha256.Sum256([]byte(r.tenant + "\x00" + r.name + "\x00" + m.ID))
	return "parley-" + hex.EncodeToString(sum[:20])
}

// mayHave reports whether a card can be put into the message's chat: into a single one by the person's userId alone.
func (a address) mayHave() bool { return a.Group != "" || a.Staff != "" }

func (r *robot) create(ctx context.Context, m chat.Message, to address) error {
	q := creation{
		Template: r.template, Track: r.track(m), Data: cardData{map[string]string{r.variable: ""}}, Callback: "STREAM", IDs: 1,
		Space: "dtv1.card//IM_ROBOT." + to.Staff, Robot: &space{true}, DeliverRobot: &deliverRobot{"IM_ROBOT", r.code},
	}
	if to.Group != "" {
		q.Space, q.Robot, q.DeliverRobot = "dtv1.card//IM_GROUP."+to.Group, nil, nil
		q.Group, q.DeliverGroup = &space{true}, &deliverGroup{Robot: r.code}
		if to.Staff != "" {
			q.DeliverGroup.At = map[string]string{to.Staff: to.Nick}
		}
	}
	var made struct {
		Success bool `json:"success"`
		Result  struct {
			Delivered []struct {
				Success bool   `json:"success"`
				Error   string `json:"errorMsg"`
			} `json:"deliverResults"`
		} `json:"result"`
	}
	if err := r.api.call(ctx, http.MethodPost, pathCreate, q, &made, taken); err != nil {
		return err
	}
	if !made.Success {
		return foreign(opOf(pathCreate))
	}
	for _, d := range made.Result.Delivered {
		if !d.Success {
			e := chat.E(chat.Invalid, opOf(pathCreate), errors.New("not delivered: "+channel.Printable(d.Error)))
			e.Code = notDelivered
			return e
		}
	}
	return nil
}

func (r *robot) update(ctx context.Context, u update, most time.Duration) error {
	var done struct {
		Success bool `json:"success"`
	}
	if err := r.api.call(ctx, http.MethodPut, pathStream, u, &done, most); err != nil {
		return err
	}
	if !done.Success {
		return foreign(opOf(pathStream))
	}
	return nil
}
