package wire

import (
	"errors"

	"parley/internal/config"
)

// ExitCode is the process's exit status for err: 0 for nil, 2 for faulty configuration, else 1.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	if _, ok := errors.AsType[config.Faults](err); ok {
		return 2
	}
	return 1
}
