package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"parley/test/rig"
)

// document is the one that holds the switches.
const document = "parley-degradation"

// The ways to change a switch.
const (
	openAPI  = "open API"       // Nacos' HTTP API of old, which scripts use
	adminAPI = "admin API"      // what Nacos 3's own console calls
	command  = "parley degrade" // and parley restore
)

// switchTo is the document by which the moved tenant's turns go to the provider.
func switchTo(provider string) string {
	return fmt.Sprintf("switches:\n  - id: %s\n    active: %t\n    to: %s\n    tenants: [%s]\n", moved, provider == second, second, moved)
}

// publish sends the moved tenant's turns to a provider, by one of the ways. by is any running server, whose configuration the command takes.
func (s *stage) publish(ctx context.Context, way, to string, by *server) (publication, error) {
	p := publication{way: way, to: to, began: time.Now()}
	p.at = p.began
	var err error
	switch way {
	case openAPI:
		err = s.Publish(ctx, document, switchTo(to))
		p.served = time.Now()
	case adminAPI:
		if err = s.publishAdmin(ctx, document, switchTo(to)); err == nil {
			p.served, err = s.awaitServed(ctx, document, switchTo(to))
		}
	default:
		p.at, p.complaint, err = s.publishCommand(ctx, to, by)
	}
	p.ended = time.Now()
	if err != nil {
		return p, fmt.Errorf("publishing by %s: %w", way, err)
	}
	return p, nil
}

func (s *stage) publishAdmin(ctx context.Context, id, content string) error {
	form := url.Values{"namespaceId": {s.Nacos.Namespace}, "groupName": {rig.Group}, "dataId": {id}, "content": {content}, "type": {"yaml"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Nacos.Addr+"/nacos/v3/admin/cs/config", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, err = answer(req)
	return err
}

// awaitServed waits until Nacos gives a new form to who reads it, which is a moment after it took it, and tells when that was.
func (s *stage) awaitServed(ctx context.Context, id, content string) (time.Time, error) {
	q := url.Values{"tenant": {s.Nacos.Namespace}, "group": {rig.Group}, "dataId": {id}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Nacos.Addr+"/nacos/v1/cs/configs?"+q.Encode(), nil)
		if err != nil {
			return time.Time{}, err
		}
		if got, err := answer(req); err == nil && got == content {
			return time.Now(), nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return time.Time{}, fmt.Errorf("nacos took %s and does not serve it: %w", id, err)
		}
	}
}

// answer is what a 200 says; whatever else was answered is in the error.
func answer(req *http.Request) (string, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

// publishCommand runs parley degrade or restore, which ends well only if it saw every server with the new form; else it complains. The time
// is its audit record's, which it writes when Nacos has taken the change.
func (s *stage) publishCommand(ctx context.Context, to string, by *server) (at time.Time, complaint string, err error) {
	args := []string{"restore", "--config", s.config(by)}
	if to == second {
		args = []string{"degrade", "--config", s.config(by), "--to", to, "--tenant", moved, "--reason", "measuring"}
	}
	out, failed := s.Parley(ctx, nil, args...)
	if failed != nil {
		complaint = fmt.Sprintf("parley %s: %v: %s", strings.Join(args, " "), failed, out)
	}
	if at, err = audited(out); err != nil {
		return at, "", fmt.Errorf("%w %s", err, complaint)
	}
	return at, complaint, nil
}

// audited finds the audit record in a command's output.
func audited(out string) (time.Time, error) {
	lines := bufio.NewScanner(strings.NewReader(out))
	for lines.Scan() {
		var record struct {
			Time time.Time `json:"time"`
			Msg  string    `json:"msg"`
		}
		if json.Unmarshal(lines.Bytes(), &record) == nil && record.Msg == "audit" {
			return record.Time, nil
		}
	}
	return time.Time{}, fmt.Errorf("no audit record in\n%s", out)
}
