package memstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

var (
	errTTL     = errors.New("the time to live must be positive: nothing here is kept for ever")
	errAddress = errors.New("the message's address is not JSON")
	errOrder   = errors.New("not the next part of a committed reply")
	errNoReply = errors.New("there is no committed reply")
)

// feedID is "<number>-<number>", ordered by its numbers.
type feedID [2]uint64

func (a feedID) less(b feedID) bool { return a[0] < b[0] || a[0] == b[0] && a[1] < b[1] }

func parseFeedID(s string) (id feedID, err error) {
	major, minor, ok := strings.Cut(s, "-")
	if ok {
		if id[0], err = strconv.ParseUint(major, 10, 64); err == nil {
			id[1], err = strconv.ParseUint(minor, 10, 64)
		}
	}
	if !ok || err != nil || id == (feedID{}) {
		return id, fmt.Errorf("feed id %.40q is not <number>-<number> above 0-0", s)
	}
	return id, nil
}
