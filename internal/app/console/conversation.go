package console

import (
	"net/http"

	"parley/internal/app/operate"
)

// Both are posted: an id may name a person, and addresses stand in the logs of proxies.

func (c *Console) serveConversation(q *call) (any, error) {
	in, err := take[operate.ConversationQuery](q)
	if err != nil {
		return nil, err
	}
	return c.opt.Desk.Conversation(q.Context(), in)
}

func (c *Console) serveLook(q *call) (any, error) {
	in, err := take[operate.ConversationQuery](q)
	if err != nil {
		return nil, err
	}
	if !c.opt.Look {
		return nil, refusal{http.StatusForbidden, "look_off", "the configuration does not permit it: look: true in console.yaml"}
	}
	if err := reasoned(in.Reason); err != nil {
		return nil, err
	}
	return c.opt.Desk.Look(q.Context(), c.env(q.session.name), in)
}
