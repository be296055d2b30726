package tenant

import "parley/internal/chat"

// Fault is one thing wrong in a document.
type Fault = chat.Fault

// Faults are all that is wrong in a document; as an error they print one per line.
type Faults = chat.Faults
