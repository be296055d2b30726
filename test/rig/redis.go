package rig

import (
	"context"
	"net"
	"path/filepath"
	"strconv"

	"parley/test/realdeps"
)

// RestartRedis starts a Redis that was killed again, on the same address and with what it had written. Nothing else may use r.Redis meanwhile.
func (r *Rig) RestartRedis(ctx context.Context) error {
	port, err := portOf(r.Redis.Addr)
	if err != nil {
		return err
	}
	s, err := realdeps.StartRedis(ctx, realdeps.Redis{Dir: filepath.Join(r.Dir, "redis"), Port: port, Args: r.durable()})
	if err != nil {
		return err
	}
	r.Redis = s
	r.atEnd(s.Stop)
	return nil
}

// RestartNacos starts a Nacos of the rig's own that was killed again, on the same address and with its documents, which takes 15 to 60 s.
func (r *Rig) RestartNacos(ctx context.Context) error {
	port, err := portOf(r.NacosServer.Addr)
	if err != nil {
		return err
	}
	s, err := realdeps.StartNacos(ctx, realdeps.Nacos{Dir: filepath.Join(r.Dir, "nacos"), Port: port})
	if err != nil {
		return err
	}
	r.NacosServer = s
	r.atEnd(s.Stop)
	return nil
}

func portOf(addr string) (int, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
