// Package alarms is a real Prometheus with the project's own configuration and rules, whose times are made shorter, for programs and tests that
// make something fail.
package alarms

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"parley/test/realdeps"
)

// Pace says how much shorter times are.
type Pace struct {
	By     float64
	Most   time.Duration // 4 hours become this
	Oldest float64       // seconds, in place of the minute that a message may wait
}

// duration matches a time where rules have one: a range, an offset, for.
var (
	duration = regexp.MustCompile(`(\[|offset |for: )(\d+)([smhd])`)
	minute   = regexp.MustCompile(`(parley_oldest_\w+_seconds\)) > 60\b`)
)

// short makes a rule file's times shorter. A range keeps as many samples as increase needs.
func (p Pace) short(rules string) string {
	rules = minute.ReplaceAllString(rules, fmt.Sprintf("$1 > %g", p.Oldest))
	return duration.ReplaceAllStringFunc(rules, func(m string) string {
		part := duration.FindStringSubmatch(m)
		n, _ := strconv.Atoi(part[2])
		unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[part[3]]
		d := min(time.Duration(float64(time.Duration(n)*unit)/p.By), p.Most)
		if part[1] != "for: " {
			d = max(d, 4*time.Second)
		}
		return fmt.Sprintf("%s%dms", part[1], d.Milliseconds())
	})
}

// Prometheus watches some processes.
type Prometheus struct {
	server *realdeps.Server
	dir    string
}

// Start starts one in dir, an existing folder, with what lies in root/deploy/observability. targets are addresses (host:port) by role: client, server, console. Stop it.
func Start(ctx context.Context, root, dir string, p Pace, targets map[string][]string) (*Prometheus, error) {
	from := filepath.Join(root, "deploy", "observability")
	var config map[string]any
	content, err := os.ReadFile(filepath.Join(from, "prometheus.yml"))
	if err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		return nil, err
	}
	config["global"] = map[string]string{"scrape_interval": "1s", "evaluation_interval": "1s"}
	delete(config, "alerting") // nobody is to be told
	w := &Prometheus{dir: dir}
	if err := w.write("prometheus.yml", config); err != nil {
		return nil, err
	}
	for role, addrs := range targets {
		if err := w.Watch(role, addrs); err != nil {
			return nil, err
		}
	}
	files, err := filepath.Glob(filepath.Join(from, "rules", "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s: %d rule files, %w", from, len(files), err)
	}
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := w.put(filepath.Join("rules", filepath.Base(path)), []byte(p.short(string(content)))); err != nil {
			return nil, err
		}
	}
	w.server, err = realdeps.StartPrometheus(ctx, dir)
	return w, err
}

// Watch changes who is watched of a role; a Prometheus that runs hears of it within seconds.
func (w *Prometheus) Watch(role string, addrs []string) error {
	return w.write(filepath.Join("targets", role+".yaml"), []map[string][]string{{"targets": append([]string{}, addrs...)}})
}

func (w *Prometheus) write(name string, v any) error {
	out, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	return w.put(name, out)
}

func (w *Prometheus) put(name string, content []byte) error {
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}

// Stop ends it.
func (w *Prometheus) Stop() { w.server.Stop() }

// Ask calls its API.
func (w *Prometheus) Ask(ctx context.Context, path string, query url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.server.Addr+"/api/v1/"+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Status string          `json:"status"`
		Error  string          `json:"error"`
		Data   json.RawMessage `json:"data"`
	}{}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s", answer.Error)
	}
	return json.Unmarshal(answer.Data, into)
}

// Firing gives the alerts that fire now: their names, each with its summary.
func (w *Prometheus) Firing(ctx context.Context) (map[string]string, error) {
	var data struct {
		Alerts []struct {
			State       string            `json:"state"`
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"alerts"`
	}
	if err := w.Ask(ctx, "alerts", nil, &data); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, a := range data.Alerts {
		if a.State == "firing" {
			out[a.Labels["alertname"]] = a.Annotations["summary"]
		}
	}
	return out, nil
}
