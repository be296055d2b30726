package realdeps

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
)

// StartPrometheus starts a Prometheus on loopback with dir/prometheus.yml and its data in dir/data, and returns once it answers.
func StartPrometheus(ctx context.Context, dir string) (*Server, error) {
	if err := Need(ctx, "prometheus", "prometheus"); err != nil {
		return nil, err
	}
	return onFreePort(0, []int{0}, func(port int) (*Server, error) {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		cmd := exec.Command("prometheus", "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
			"--web.listen-address", addr, "--log.level", "warn")
		s, err := start("prometheus", addr, dir, cmd)
		if err != nil {
			return nil, err
		}
		err = s.waitFor(ctx, func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/-/ready", nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("it answers %s", resp.Status)
			}
			return nil
		})
		if err != nil {
			s.Stop()
			return nil, err
		}
		return s, nil
	})
}
