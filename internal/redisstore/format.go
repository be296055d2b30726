package redisstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"parley/internal/chat"
)

// formatKey holds "WRITTEN READERS": the newest format that any program wrote here, and the oldest that a program must write itself to be
// able to read that. It has no TTL, and nothing of anybody's is in it. Without it the data is of format 1: those programs knew no key.
const formatKey = "parley:format"

// formats is what a program writes and reads. A change that older programs understand raises writes alone.
type formats struct {
	writes  int // what it writes
	reads   int // the oldest that it reads
	readers int // the oldest writes of a program that can read what this one writes
}

func ours() formats { return formats{writes: 1, reads: 1, readers: 1} }

func (f formats) mark() string { return fmt.Sprintf("%d %d", f.writes, f.readers) }

// FormatError says that what Redis holds and this program do not fit: it must not work on it.
type FormatError struct{ What, Mend string }

// Error implements error.
func (e *FormatError) Error() string { return "redis: " + e.What + ": " + e.Mend }

// Admit checks whether this program can work on what Redis holds, and notes the format that it writes. Its error is a *FormatError if it
// cannot, else the store's own: ask again.
func (s *Store) Admit(ctx context.Context) error {
	found, err := s.format(ctx, "", s.formats.mark())
	if err != nil {
		return err
	}
	theirs, err := s.formats.judge(found)
	if err == nil && theirs.writes < s.formats.writes {
		// Programs that cannot read what this one writes do not start from now on; those that run leave it alone.
		if _, err := s.format(ctx, found, s.formats.mark()); err != nil {
			return err
		}
		return s.Readable(ctx) // another may have been faster
	}
	return err
}

// Readable is Admit without a trace, for who only reads.
func (s *Store) Readable(ctx context.Context) error {
	found, err := s.format(ctx, "", "")
	if err != nil || found == "" {
		return err
	}
	_, err = s.formats.judge(found)
	return err
}

// format gives the key's value, after it was changed from was to becomes.
func (s *Store) format(ctx context.Context, was, becomes string) (string, error) {
	v, err := s.run(ctx, "format", s.scripts.format, formatKey, was, becomes)
	if e, ok := errors.AsType[*chat.Error](err); ok && e.Code == "OOM" && was == "" { // Redis is full and holds no key: older than it
		return formats{writes: 1, readers: 1}.mark(), nil
	}
	return text(v), err
}

var formatMark = regexp.MustCompile(`^(\d{1,9}) (\d{1,9})$`)

// judge reads the key's value, and says why this program must not work on such data.
func (f formats) judge(found string) (formats, error) {
	m := formatMark.FindStringSubmatch(found)
	if m == nil {
		return formats{}, &FormatError{fmt.Sprintf("%s is %.40q, which this program does not understand", formatKey, found),
			"start the release that wrote it, or give this one an empty Redis (redis.addrs, redis.db)"}
	}
	theirs := formats{}
	theirs.writes, _ = strconv.Atoi(m[1]) // digits, as matched
	theirs.readers, _ = strconv.Atoi(m[2])
	switch {
	case theirs.readers > f.writes:
		return theirs, &FormatError{
			fmt.Sprintf("it holds data of format %d, which takes a release of format %d or later to read; this one is of format %d", theirs.writes, theirs.readers, f.writes),
			"start the newer release again, or give this one an empty Redis (redis.addrs, redis.db)"}
	case theirs.writes < f.reads:
		return theirs, &FormatError{
			fmt.Sprintf("it holds data of format %d; this release is of format %d and reads %d and later", theirs.writes, f.writes, f.reads),
			"start a release between the two first, or give this one an empty Redis (redis.addrs, redis.db)"}
	}
	return theirs, nil
}
