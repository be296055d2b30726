package nacos

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/nacos-group/nacos-sdk-go/v2/common/logger"
	"github.com/nacos-group/nacos-sdk-go/v2/util"
)

// quiet replaces the SDK's logger, which is one for the whole process and writes files by default: while Nacos is away it logs an error
// for every try. Its lines go to slog's default logger at level debug. The SDK also finds this machine's address on first use, without a
// lock: asked for here, before any of its clients runs, it races with nobody.
var quiet = sync.OnceFunc(func() {
	logger.SetLogger(sdkLog{})
	_ = util.LocalIP()
})

// sdkLog is the SDK's logger interface over slog.
type sdkLog struct{}

func debug(line func() string) {
	if log := slog.Default(); log.Enabled(context.Background(), slog.LevelDebug) {
		log.Debug("nacos-sdk", "line", line())
	}
}

func (sdkLog) Info(a ...any)  { debug(func() string { return fmt.Sprint(a...) }) }
func (sdkLog) Warn(a ...any)  { debug(func() string { return fmt.Sprint(a...) }) }
func (sdkLog) Error(a ...any) { debug(func() string { return fmt.Sprint(a...) }) }
func (sdkLog) Debug(a ...any) { debug(func() string { return fmt.Sprint(a...) }) }

func (sdkLog) Infof(format string, a ...any) {
	debug(func() string { return fmt.Sprintf(format, a...) })
}
func (sdkLog) Warnf(format string, a ...any) {
	debug(func() string { return fmt.Sprintf(format, a...) })
}
func (sdkLog) Errorf(format string, a ...any) {
	debug(func() string { return fmt.Sprintf(format, a...) })
}
func (sdkLog) Debugf(format string, a ...any) {
	debug(func() string { return fmt.Sprintf(format, a...) })
}

// Close implements the SDK's interface.
func (sdkLog) Close() error { return nil }
