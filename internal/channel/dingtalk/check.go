package dingtalk

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"parley/internal/chat"
)

// probe is a call that the platform must refuse for what it asks: whether it refuses it for who asks tells if the application may.
type probe struct {
	method, path string
	in           any
	need         string // the permission, as the console names it
}

func probes(robot string, cards bool) []probe {
	list := []probe{{
		http.MethodPost, pathPerson, proactive{Robot: robot, Users: []string{}, Key: keyMarkdown, Param: "{}"},
		"企业内机器人发送消息权限 (qyapi_robot_sendmsg)",
	}}
	if cards {
		list = append(list,
			probe{http.MethodPut, pathStream, update{Track: "parley-check", GUID: "parley-check", Key: "parley-check"}, "AI卡片流式更新权限 (Card.Streaming.Write)"},
			probe{http.MethodPost, pathCreate, map[string]string{}, "互动卡片实例写权限 (Card.Instance.Write)"})
	}
	return list
}

// Check implements channel.Checker: the credentials, past every cache, and the permissions that replies need. Nobody sees any of it.
func (r *robot) Check(ctx context.Context) error {
	token, _, err := r.api.fetchToken(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, p := range probes(r.code, r.template != "") {
		body, err := encode(p.in)
		if err != nil {
			return chat.E(chat.Internal, "dingtalk.check", err)
		}
		var out struct{}
		err = r.api.ask(ctx, p.method, p.path, token, body, &out)
		switch kind := chat.KindOf(err); {
		case err == nil: // refused in words of its own, and not for who asks
		case kind == chat.Forbidden:
			faults = append(faults, fmt.Errorf("%w; grant %s under 权限管理 in the application's page, and publish it", err, p.need))
		case kind.Retryable(), kind == chat.Unauthenticated:
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// Check implements channel.Checker: as for callbacks, and whether connections are given.
func (s *Stream) Check(ctx context.Context) error {
	if err := s.robot.Check(ctx); err != nil {
		return err
	}
	_, err := s.api.open(ctx) // its ticket ends by itself
	return err
}
