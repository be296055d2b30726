package realdeps

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Server is a running server process. Its methods are safe for concurrent use.
type Server struct {
	Addr string // host:port on loopback

	name string
	log  string // path of what it printed
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// start runs cmd in dir with its output in dir/out.log.
func start(name, addr, dir string, cmd *exec.Cmd) (*Server, error) {
	out, err := os.Create(filepath.Join(dir, "out.log"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = childAttr()
	s := &Server{Addr: addr, name: name, log: out.Name(), cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// A child's death signal is tied to the thread that started it: keep that thread until the child has ended.
		runtime.LockOSThread()
		defer close(s.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return s, nil
}

// waitFor polls until probe succeeds, the process ends, or ctx is done.
func (s *Server) waitFor(ctx context.Context, probe func(context.Context) error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := probe(try)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%s ended before it was ready; its last lines:\n%s", s.name, s.tail(20))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (%w); its last lines:\n%s", s.name, err, ctx.Err(), s.tail(20))
		case <-tick.C:
		}
	}
}

func (s *Server) tail(n int) string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// PID is the process's id, for tests that pause or watch it.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stop ends the server in good order, or by force after 10 s, and waits until it is gone. Stopping again does nothing.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server as a crash would and waits until it is gone.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig) // an error means that it has ended already
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
}
