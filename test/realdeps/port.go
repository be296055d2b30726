package realdeps

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// onFreePort calls start with port, or, if that is 0, with random ports until one start succeeds: between the look and the start somebody
// else may take a port. offsets are the further ports that the server takes, relative to its own.
func onFreePort(port int, offsets []int, start func(port int) (*Server, error)) (*Server, error) {
	if port != 0 {
		if taken := firstTaken(port, offsets); taken != 0 {
			return nil, fmt.Errorf("port %d is taken", taken)
		}
		return start(port)
	}
	var errs []error
	for range 3 {
		free, err := freePort(offsets)
		if err != nil {
			return nil, err
		}
		s, err := start(free)
		if err == nil {
			return s, nil
		}
		errs = append(errs, err)
		if firstTaken(free, offsets) == 0 {
			break // the port was not the reason
		}
	}
	return nil, errors.Join(errs...)
}

// FreeAddr gives a loopback address that nobody listens on, and that no other process that asks here is given as long as this one lives: who is
// killed for a test finds its port again. It lies below the range from which the system takes ports for outgoing connections.
func FreeAddr() (string, error) {
	port, err := freePort([]int{0})
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}

func freePort(offsets []int) (int, error) {
	for range 200 {
		port := 12_000 + rand.IntN(18_000)
		if firstTaken(port, offsets) == 0 && reserve(port, offsets) {
			return port, nil
		}
	}
	return 0, errors.New("no free port between 12000 and 30000")
}

func firstTaken(port int, offsets []int) int {
	for _, offset := range offsets {
		l, err := net.Listen("tcp", ":"+strconv.Itoa(port+offset))
		if err != nil {
			return port + offset
		}
		l.Close()
	}
	return 0
}

// reserved are the locked files that stand for this process's ports; the system unlocks them when it ends.
var reserved struct {
	sync.Mutex
	files []*os.File
}

func reserve(port int, offsets []int) bool {
	reserved.Lock()
	defer reserved.Unlock()
	dir := filepath.Join(os.TempDir(), "parley-test-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return true // the look for a listener has to do
	}
	for _, offset := range offsets {
		f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port+offset)), os.O_CREATE|os.O_RDWR, 0o666)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			f.Close()
			return false
		}
		reserved.files = append(reserved.files, f)
	}
	return true
}
