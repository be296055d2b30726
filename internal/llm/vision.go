package llm

import (
	"errors"
	"slices"

	"parley/internal/chat"
	"parley/internal/route"
)

// seeing keeps the choices that look at pictures: another's answer would be to the words alone. Without one the error has [chat.CodeNoVision].
func seeing(choices []route.Choice) ([]route.Choice, error) {
	choices = slices.DeleteFunc(choices, func(c route.Choice) bool { return !c.Sees })
	if len(choices) == 0 {
		return nil, &chat.Error{Kind: chat.Invalid, Op: opComplete, Code: chat.CodeNoVision,
			Err: errors.New("no model of the turn's route looks at pictures; add one to it, or say which do under vision in parley-routes")}
	}
	return choices, nil
}
