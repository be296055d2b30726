package rpc

import (
	"fmt"
	"log/slog"
)

// sdkLogger is the log of dubbo-go and of the Nacos SDK. Both call errors what is an event of every restart of Nacos, and print a line
// for each retry: their errors become debug lines, because what an operator must know is logged by this package, once.
type sdkLogger struct{ log *slog.Logger }

func (l sdkLogger) Debug(...any)          {}
func (l sdkLogger) Debugf(string, ...any) {}
func (l sdkLogger) Info(...any)           {}
func (l sdkLogger) Infof(string, ...any)  {}
func (l sdkLogger) Warn(a ...any)         { l.say(fmt.Sprint(a...)) }
func (l sdkLogger) Error(a ...any)        { l.say(fmt.Sprint(a...)) }

func (l sdkLogger) Warnf(f string, a ...any)  { l.say(fmt.Sprintf(f, a...)) }
func (l sdkLogger) Errorf(f string, a ...any) { l.say(fmt.Sprintf(f, a...)) }

// Fatal does not end the process: that is never a library's decision.
func (l sdkLogger) Fatal(a ...any)            { l.log.Error("rpc library failed", "text", fmt.Sprint(a...)) }
func (l sdkLogger) Fatalf(f string, a ...any) { l.Fatal(fmt.Sprintf(f, a...)) }

// Close is what the Nacos SDK calls when another logger takes its place.
func (l sdkLogger) Close() error { return nil }

func (l sdkLogger) say(text string) {
	const most = 300 // some print whole service lists
	if len(text) > most {
		text = text[:most] + "…"
	}
	l.log.Debug("rpc library", "text", text)
}
