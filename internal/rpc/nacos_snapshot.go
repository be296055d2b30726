package rpc

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/model"
)

// snapshotAfter is how long Nacos may take at a start before the list of an earlier life is used. It is right to use it then: whoever is on it
// and not there any more is found out by probes, which every instance must pass anyway.
const snapshotAfter = 5 * time.Second

// keptServer is an instance in the snapshot file, a JSON list of them.
type keptServer struct {
	IP      string  `json:"ip"`
	Port    uint64  `json:"port"`
	Weight  float64 `json:"weight"`
	Enabled bool    `json:"enabled"`
}

// keep writes the list for a later start. An empty one is not worth it: no start is helped by it, and a restarted Nacos tells of none.
func (w *watcher) keep() {
	file := w.registry.opts.Snapshot
	if file == "" || len(w.last) == 0 {
		return
	}
	list := make([]keptServer, 0, len(w.last))
	for _, k := range slices.Sorted(maps.Keys(w.last)) {
		h := w.last[k]
		list = append(list, keptServer{h.Ip, h.Port, h.Weight, h.Enable})
	}
	content, err := json.Marshal(list)
	if err == nil {
		err = replaceFile(file, content)
	}
	if err != nil {
		w.registry.log.Warn("the list of servers is not kept for a start without nacos", "file", file, "err", err)
	}
}

// recall uses the list of an earlier life if Nacos has not told of any for too long.
func (w *watcher) recall() {
	file := w.registry.opts.Snapshot
	if file == "" || w.last != nil || time.Now().Before(w.recallAt) {
		return
	}
	w.recallAt = time.Now().Add(time.Hour) // once is enough
	var list []keptServer
	content, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(content, &list)
	}
	if err != nil {
		w.registry.log.Warn("nacos does not tell of servers, and no list of an earlier start can be used", "file", file, "err", err)
		return
	}
	hosts := make([]model.Instance, 0, len(list))
	for _, k := range list {
		hosts = append(hosts, model.Instance{Ip: k.IP, Port: k.Port, Weight: k.Weight, Enable: k.Enabled})
	}
	w.registry.log.Error("nacos does not tell of servers: this process starts with the list that was kept here, which may be out of date",
		"file", file, "servers", len(hosts))
	w.tell(hosts)
	w.lost = time.Now() // a Nacos that comes back empty is not believed at once
}

// replaceFile writes a file as a whole, for its user alone.
func replaceFile(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already where all went well
	_, err = tmp.Write(content)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
