package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley/internal/route"
)

func TestSwitchDocuments(t *testing.T) {
	for to, active := range map[string]bool{first: false, second: true} {
		d, err := route.ParseDegradation([]byte(switchTo(to)), "", "")
		if err != nil || len(d.Switches) != 1 {
			t.Fatalf("%v, %+v", err, d)
		}
		if s := d.Switches[0]; s.Active != active || s.To != second || !cmp.Equal(s.Tenants, []string{moved}) || len(s.Providers) > 0 {
			t.Errorf("to %s: %+v", to, s)
		}
	}
	if _, err := route.ParseDegradation([]byte(faulty), "", ""); err == nil {
		t.Error("the faulty document is good")
	}
}

func TestAudited(t *testing.T) {
	out := "+   active: true\n{\"time\":\"2026-11-22T12:00:00.007Z\",\"level\":\"INFO\",\"msg\":\"audit\",\"action\":\"degrade\"}\nrevision 1 is in force on 3 of 3 servers\n"
	got, err := audited(out)
	if err != nil || !got.Equal(at(7)) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := audited("{\"msg\":\"other\"}\nparley: no\n"); err == nil || !strings.Contains(err.Error(), "parley: no") {
		t.Errorf("without a record: %v", err)
	}
}
