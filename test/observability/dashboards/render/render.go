// Package render makes Grafana dashboards out of the short form of deploy/observability/dashboards/*.yaml.
package render

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	"gopkg.in/yaml.v3"
)

// form is one source file.
type form struct {
	UID    string   `yaml:"uid"`
	Title  string   `yaml:"title"`
	About  string   `yaml:"about"`
	Tenant bool     `yaml:"tenant"` // a choice of tenants at the top: $tenant
	Rows   []rowSrc `yaml:"rows"`
}

type rowSrc struct {
	Row    string     `yaml:"row"`
	Panels []panelSrc `yaml:"panels"`
}

type panelSrc struct {
	Title string  `yaml:"title"`
	About string  `yaml:"about"`
	Kind  string  `yaml:"kind"` // timeseries (default), stat or table
	Unit  string  `yaml:"unit"` // Grafana's: short, s, percentunit, reqps, dateTimeFromNow, …
	Red   float64 `yaml:"red"`  // from here on it is red; 0: nothing is
	Stack bool    `yaml:"stack"`
	Ask   []query `yaml:"ask"`
}

type query struct {
	Expr   string `yaml:"expr"`
	Legend string `yaml:"legend"`
}

type object = map[string]any

// Panels are three in a row.
const width, height, columns = 8, 8, 3

// Dashboard makes a dashboard's JSON. The data source is a variable, so that it can be imported anywhere.
func Dashboard(source []byte) ([]byte, error) {
	var d form
	dec := yaml.NewDecoder(bytes.NewReader(source))
	dec.KnownFields(true)
	if err := dec.Decode(&d); err != nil {
		return nil, err
	}
	if d.UID == "" || d.Title == "" || len(d.Rows) == 0 {
		return nil, fmt.Errorf("it needs uid, title and rows")
	}
	var panels []object
	id, y := 0, 0
	for _, r := range d.Rows {
		id++
		panels = append(panels, object{"id": id, "type": "row", "title": r.Row, "collapsed": false, "panels": []object{}, "gridPos": at(0, y, 24, 1)})
		y++
		for i, p := range r.Panels {
			id++
			panels = append(panels, p.render(id, at(i%columns*width, y+i/columns*height, width, height)))
		}
		y += (len(r.Panels) + columns - 1) / columns * height
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(object{
		"uid": d.UID, "title": d.Title, "description": d.About, "tags": []string{"parley"}, "schemaVersion": 39, "editable": true, "refresh": "30s",
		"time": object{"from": "now-6h", "to": "now"}, "timezone": "browser", "templating": object{"list": d.variables()}, "panels": panels,
		"links": []object{{"type": "dashboards", "tags": []string{"parley"}, "title": "Parley", "asDropdown": true, "keepTime": true}},
	})
	return out.Bytes(), err
}

func at(x, y, w, h int) object { return object{"x": x, "y": y, "w": w, "h": h} }

func source() object { return object{"type": "prometheus", "uid": "${datasource}"} }

func (d form) variables() []object {
	list := []object{{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": object{}}}
	if d.Tenant {
		list = append(list, object{
			"name": "tenant", "label": "Tenant", "type": "query", "datasource": source(), "query": "label_values(parley_waiting, tenant)",
			"definition": "label_values(parley_waiting, tenant)", "refresh": 2, "includeAll": true, "multi": true, "allValue": ".*",
			"current": object{"text": "All", "value": "$__all"},
		})
	}
	return list
}

func (p panelSrc) render(id int, pos object) object {
	kind := cmp.Or(p.Kind, "timeseries")
	targets := make([]object, len(p.Ask))
	for i, q := range p.Ask {
		targets[i] = object{"refId": string(rune('A' + i)), "datasource": source(), "expr": q.Expr, "legendFormat": cmp.Or(q.Legend, "__auto")}
		if kind == "table" {
			targets[i]["format"], targets[i]["instant"] = "table", true
		}
	}
	steps := []object{{"color": "green", "value": nil}}
	if p.Red > 0 {
		steps = append(steps, object{"color": "red", "value": p.Red})
	}
	defaults := object{"unit": cmp.Or(p.Unit, "short"), "min": 0, "thresholds": object{"mode": "absolute", "steps": steps}}
	if kind == "timeseries" {
		custom := object{"fillOpacity": 10, "lineWidth": 1, "showPoints": "never"}
		if p.Red > 0 {
			custom["thresholdsStyle"] = object{"mode": "line"}
		}
		if p.Stack {
			custom["stacking"], custom["fillOpacity"] = object{"mode": "normal"}, 40
		}
		defaults["custom"] = custom
	}
	return object{
		"id": id, "type": kind, "title": p.Title, "description": p.About, "datasource": source(), "gridPos": pos, "targets": targets,
		"fieldConfig": object{"defaults": defaults, "overrides": []object{}},
	}
}
