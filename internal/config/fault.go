package config

import "parley/internal/chat"

// Fault is one thing wrong in a configuration.
type Fault = chat.Fault

// Faults are all that is wrong in one or more files; as an error they print one per line.
type Faults = chat.Faults
