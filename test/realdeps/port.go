package realdeps

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
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

// FreeAddr gives a loopback address that nobody listens on. It lies below the range from which the system takes ports for outgoing
// connections, so that nobody takes it by chance before it is used, nor a killed process's before its successor.
func FreeAddr() (string, error) {
	port, err := freePort([]int{0})
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}

// freePort looks below the range from which the system takes ports for outgoing connections.
func freePort(offsets []int) (int, error) {
	for range 200 {
		port := 12_000 + rand.IntN(18_000)
		if firstTaken(port, offsets) == 0 {
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
