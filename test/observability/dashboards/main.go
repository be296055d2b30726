// Command dashboards writes Grafana's JSON from deploy/observability/dashboards/*.yaml, which say what each panel asks and nothing of how it looks:
//
//	go run ./test/observability/dashboards
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"parley/test/observability/dashboards/render"
)

func main() {
	dir := "deploy/observability/dashboards"
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	if err := run(dir); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	sources, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(sources) == 0 {
		return fmt.Errorf("%s has no dashboards: run it in the project's folder (%w)", dir, err)
	}
	for _, path := range sources {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		out, err := render.Dashboard(content)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.WriteFile(strings.TrimSuffix(path, ".yaml")+".json", out, 0o644); err != nil {
			return err
		}
	}
	return nil
}
