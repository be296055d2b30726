package app

import (
	"context"
	"time"
)

// followPassword says in the log what Redis thinks of a changed password, so that an operator knows when the one before may go. Connections need
// nothing of it: each new one reads the password itself.
func (c *client) followPassword(ctx context.Context) {
	now := c.cfg.Redis.Password.Now()
	if now == nil {
		return
	}
	proved, complained := c.cfg.Redis.Password.Secret, false
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		value := now()
		if value.Equal(proved) {
			complained = false
			continue
		}
		switch err := c.store.LogIn(ctx); {
		case err == nil:
			c.tel.Log.Info("Redis takes the changed password; new connections use it", "key", "redis.password", "reference", c.cfg.Redis.Password.Ref)
			proved, complained = value, false
		case !complained && ctx.Err() == nil:
			c.tel.Log.Warn("Redis does not take the changed password yet; connections stay, and new ones use the one before", "key", "redis.password", "err", err)
			complained = true
		}
	}
}
