package app

import (
	"context"
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

// traceTo gives tel the tracer that the environment asks for. done sends what is left when all else has ended.
func traceTo(ctx context.Context, tel *telemetry.Telemetry, service, version string) (done func(), err error) {
	if tel.Trace, err = telemetry.NewTracer(ctx, service, version, tel.Metrics); err != nil {
		return nil, err
	}
	if tel.Trace != nil {
		tel.Log.Info("traces go to a collector", "endpoint", os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")+os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
	}
	return func() {
		if err := tel.Trace.Close(); err != nil {
			tel.Log.Warn("the last traces were not sent", "err", err)
		}
	}, nil
}

// warnOfVariables warns of misspelled PARLEY_ variables, which would have no effect without a word.
func warnOfVariables(log *slog.Logger) {
	for _, w := range config.UnknownVariables(os.Environ()) {
		log.Warn("a variable of the environment is ignored", "warning", w)
	}
}
