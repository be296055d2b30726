package realdeps

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
)

// Redis says how to start a Redis.
type Redis struct {
	Dir  string   // an existing folder for its data and log
	Port int      // 0: any free one
	Args []string // further redis-server options; by default nothing is persisted
	// Cluster makes it a node that a cluster can be made of; its bus is on the port above its own.
	Cluster bool
}

// StartRedis starts a Redis on loopback and returns once it answers.
func StartRedis(ctx context.Context, r Redis) (*Server, error) {
	if err := Need(ctx, "redis-server", "redis-server"); err != nil {
		return nil, err
	}
	return onFreePort(r.Port, []int{0, 1}, func(port int) (*Server, error) {
		args := []string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", r.Dir, "--save", "", "--appendonly", "no"}
		if r.Cluster {
			args = append(args, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(port+1))
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		s, err := start("redis-server", addr, r.Dir, exec.Command("redis-server", append(args, r.Args...)...))
		if err != nil {
			return nil, err
		}
		if err := s.waitFor(ctx, func(ctx context.Context) error { return ping(ctx, addr) }); err != nil {
			s.Stop()
			return nil, err
		}
		return s, nil
	})
}

// ping accepts any answer in Redis's protocol: a server with a password answers -NOAUTH, and is up.
func ping(ctx context.Context, addr string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(deadline)
	}
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "+PONG") && !strings.HasPrefix(line, "-NOAUTH") {
		return fmt.Errorf("unexpected answer %q", line)
	}
	return nil
}
