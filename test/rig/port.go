package rig

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// freeAddr gives a loopback address that nobody listens on. It lies below the range from which the system takes ports for outgoing
// connections, so a killed process's address stays free for its successor.
func freeAddr() (string, error) {
	for range 200 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(12_000+rand.IntN(18_000)))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		return addr, l.Close()
	}
	return "", errors.New("no free port between 12000 and 30000")
}
