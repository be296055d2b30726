package rig

import (
	"os"
	"os/exec"
	"testing"
)

// Need skips a test of whole programs where they cannot run, loudly, and fails it where CI is true; it gives the address (host:port) of the
// Nacos at PARLEY_TEST_NACOS. With -short it skips: each of these tests takes half a minute and more.
func Need(t testing.TB) (nacos string) {
	t.Helper()
	if testing.Short() {
		t.Skip("whole programs take their time")
	}
	nacos = os.Getenv("PARLEY_TEST_NACOS")
	_, err := exec.LookPath("redis-server")
	switch {
	case err == nil && nacos != "":
		return nacos
	case os.Getenv("CI") == "true":
		t.Fatal("redis-server or PARLEY_TEST_NACOS is missing: whole programs cannot be tested; make test has both")
	}
	t.Skip("WHOLE PROGRAMS ARE NOT TESTED: redis-server or PARLEY_TEST_NACOS is missing; make test has both")
	return ""
}
