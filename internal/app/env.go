package app

import (
	"log/slog"
	"os"

	"parley/internal/app/wire"
	"parley/internal/config"
	"parley/internal/telemetry"
)

// production logs JSON lines on stderr; PARLEY_LOG=text and PARLEY_LOG_LEVEL=debug|info|warn|error change that.
func production(env wire.Env) *telemetry.Telemetry {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(os.Getenv("PARLEY_LOG_LEVEL"))) // anything else: info
	return telemetry.New(env.Stderr, os.Getenv("PARLEY_LOG") == "text", level)
}

// warnOfVariables warns of misspelled PARLEY_ variables, which would have no effect without a word.
func warnOfVariables(log *slog.Logger) {
	for _, w := range config.UnknownVariables(os.Environ()) {
		log.Warn("a variable of the environment is ignored", "warning", w)
	}
}
