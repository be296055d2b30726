package conversation

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"parley/internal/chat"
)

const (
	commandHelp   = "help"
	commandReset  = "reset"
	commandStop   = "stop"
	commandStatus = "status"
	commandModel  = "model"
	commandForget = "forget"
)

// words maps what people type to commands, besides "/" and the command's own name.
var words = map[string]string{
	"帮助": commandHelp, "重置": commandReset, "停止": commandStop, "状态": commandStatus, "模型": commandModel,
	"忘记我": commandForget, "忘掉我": commandForget,
}

type command struct{ name, arg string }

// parseCommand recognises a command: a slash (also the full-width one) and its English or Chinese word, or the Chinese word alone; case
// does not matter. Only /model takes an argument, and only behind a slash; anything else is a question for the model.
func parseCommand(text string) command {
	fields := strings.Fields(text)
	if len(fields) == 0 || len(fields) > 2 {
		return command{}
	}
	word, slash := strings.CutPrefix(fields[0], "/")
	if !slash {
		word, slash = strings.CutPrefix(fields[0], "／")
	}
	word = strings.ToLower(word)
	name, chinese := words[word]
	if !chinese && slash {
		for _, known := range []string{commandHelp, commandReset, commandStop, commandStatus, commandModel, commandForget} {
			if word == known {
				name = known
			}
		}
	}
	switch {
	case name == "":
		return command{}
	case len(fields) == 1:
		return command{name: name}
	case name == commandModel && slash:
		return command{name: name, arg: fields[1]}
	}
	return command{}
}

// stops reports whether a message ends what is before it in its conversation: the answer being written, and what waits.
func stops(m chat.Message) bool {
	if m.Kind != chat.KindText {
		return false
	}
	name := parseCommand(m.Text).name
	return name == commandStop || name == commandForget
}

// forgets reports whether a message asks for what nothing may hold up.
func forgets(m chat.Message) bool {
	return m.Kind == chat.KindText && parseCommand(m.Text).name == commandForget
}

// command answers without the model.
func (s *Service) command(ctx context.Context, t *chat.Tenant, c *Claim, cmd command) *result {
	res := &result{result: "command", out: Outcome{State: c.State}}
	switch cmd.name {
	case commandReset:
		res.out.Reset = true
		res.out.State = State{}
		res.text = text(t, "reset")
	case commandStop:
		res.text = text(t, "stop_none")
		if c.Message.Stops {
			res.text = text(t, "stop_done")
		}
	case commandStatus:
		res.text = text(t, "status", "model", model(t, c), "turns", strconv.Itoa(len(c.History)),
			"max", strconv.Itoa(t.History.Turns), "waiting", strconv.Itoa(c.Waits)) + s.used(ctx, t, c)
	case commandModel:
		res.text = s.chooseModel(t, c, cmd.arg, &res.out.State)
	default:
		res.text = text(t, "help")
	}
	return res
}

// used is the line about a person's own tokens today, where they are capped.
func (s *Service) used(ctx context.Context, t *chat.Tenant, c *Claim) string {
	if t.Limits.UserPerDay <= 0 {
		return ""
	}
	b, err := s.Store.Budget(ctx, t.Name, userID(c), DayOf(c.Now))
	if err != nil {
		s.metrics.storeErrors.WithLabelValues("budget").Inc()
		return ""
	}
	return "\n" + text(t, "status_used", "used", strconv.Itoa(b.User), "limit", strconv.Itoa(t.Limits.UserPerDay))
}

func model(t *chat.Tenant, c *Claim) string {
	if c.State.Model != "" {
		return c.State.Model
	}
	return t.Model
}

func (s *Service) chooseModel(t *chat.Tenant, c *Claim, arg string, st *State) string {
	models := s.Directory.Models(t.Name)
	list := strings.Join(models, text(t, "list_separator"))
	switch {
	case arg == "":
		return text(t, "model", "model", model(t, c), "models", list)
	case !slices.Contains(models, arg):
		return text(t, "model_unknown", "models", list)
	}
	st.Model = arg
	return text(t, "model_set", "model", arg)
}
