package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one program under test. Its methods are safe for concurrent use.
type Process struct {
	Name string
	Log  string // path of what it printed, over all starts of this name

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu   sync.Mutex
	last Usage // of the running process, when it was asked last
}

// start runs a program with its output appended to dir/name.log; its home, its working folder and its temporary files are below dir, so
// that a killed program leaves nothing elsewhere.
func start(dir, name string, env []string, program string, args ...string) (*Process, error) {
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	home := filepath.Join(dir, name)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = home, log, log
	cmd.Env = append(os.Environ(), append([]string{"HOME=" + home, "TMPDIR=" + home}, env...)...)
	cmd.SysProcAttr = childAttr()
	p := &Process{Name: name, Log: log.Name(), cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// A child's death signal is tied to the thread that started it: keep that thread until the child has ended.
		runtime.LockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// Run starts a program that ends with the rig, and returns once probe succeeds.
func (r *Rig) Run(ctx context.Context, name string, env []string, probe func(context.Context) error, program string, args ...string) (*Process, error) {
	p, err := r.spawn(name, env, program, args...)
	if err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return p, p.waitFor(ready, "ready", probe)
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends the process as a crash would (SIGKILL) and waits until it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// Term asks the process to end (SIGTERM) and waits for it. Its error says that it had to be killed after the time given, or that its
// exit status was not 0.
func (p *Process) Term(within time.Duration) error {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(within):
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM; its last lines:\n%s", p.Name, within, p.Tail(20))
	}
	if status := p.cmd.ProcessState.ExitCode(); status != 0 {
		return fmt.Errorf("%s ended with status %d after SIGTERM; its last lines:\n%s", p.Name, status, p.Tail(20))
	}
	return nil
}

// Pause stops the process without ending it (SIGSTOP): its connections stay open and silent.
func (p *Process) Pause() { p.signal(syscall.SIGSTOP) }

// Resume continues a paused process (SIGCONT).
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) } // an error means that it has ended already

// Alive reports whether it has not ended.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Tail gives the last n lines that it printed.
func (p *Process) Tail(n int) string {
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Usage is what the process has used so far, to its end if it has ended.
func (p *Process) Usage() Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.Alive() {
		state := p.cmd.ProcessState
		return Usage{CPU: state.UserTime() + state.SystemTime(), RSS: 0, Peak: p.last.Peak}
	}
	if u, err := UsageOf(p.PID()); err == nil {
		p.last = u
	}
	return p.last
}

// waitFor polls until probe succeeds, the process ends, or ctx is done.
func (p *Process) waitFor(ctx context.Context, what string, probe func(context.Context) error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var why error
	for {
		try, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := probe(try)
		cancel()
		if err == nil {
			return nil
		}
		if why == nil || ctx.Err() == nil { // what the end has cut says nothing
			why = err
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it was %s; its last lines:\n%s", p.Name, what, p.Tail(20))
		case <-ctx.Done():
			return fmt.Errorf("%s is not %s: %w (%w); its last lines:\n%s", p.Name, what, why, ctx.Err(), p.Tail(20))
		case <-tick.C:
		}
	}
}
