package tenant

import "parley/internal/chat"

// What is wrong in a document, in the words that all of Parley uses for it.
type (
	Fault  = chat.Fault
	Faults = chat.Faults
)
