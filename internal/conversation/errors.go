package conversation

import "errors"

// ErrFenced says that the conversation has another owner by now. The caller drops the turn and says nothing to the person.
var ErrFenced = errors.New("conversation: fenced off")
