package app

import (
	"testing"
	"testing/fstest"
)

func TestMemoryLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		want  uint64 // 0: none
	}{
		"no control groups": {nil, 0},
		"version 2, in a container": {map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n",
		}, 512 << 20},
		"version 2, a group above has less": {map[string]string{
			"proc/self/cgroup": "0::/a.slice/b.scope\n", "sys/fs/cgroup/a.slice/b.scope/memory.max": "max\n", "sys/fs/cgroup/a.slice/memory.max": "1000\n",
		}, 1000},
		"version 2, none": {map[string]string{"proc/self/cgroup": "0::/x\n", "sys/fs/cgroup/x/memory.max": "max\n"}, 0},
		"version 1": {map[string]string{
			"proc/self/cgroup": "9:name=systemd:/\n4:memory:/docker/1\n0::/\n",
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "2000\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 2000},
		"version 1, seen from inside": {map[string]string{
			"proc/self/cgroup": "4:cpu,memory:/x\n4:memory:/docker/1\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "3000\n",
		}, 3000},
		"version 1, none": {map[string]string{
			"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		"damaged": {map[string]string{"proc/self/cgroup": "?\n0::/\n", "sys/fs/cgroup/memory.max": "much\n"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for path, text := range tc.files {
				root[path] = &fstest.MapFile{Data: []byte(text)}
			}
			got, ok := memoryLimit(root)
			if ok != (tc.want > 0) || ok && got != tc.want {
				t.Errorf("limit %d, %v; want %d", got, ok, tc.want)
			}
		})
	}
}

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 400, 20 << 20: 400, 40 << 20: 300, 64 << 20: 200, 100 << 20: 100, 128 << 20: 100, 4 << 30: 100} {
		if got := gcPercent(live); got != want {
			t.Errorf("gcPercent(%d MiB) = %d, want %d", live>>20, got, want)
		}
	}
}
