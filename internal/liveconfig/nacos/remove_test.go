package nacos

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// The SDK goes on writing for a moment after it was closed.
func TestRemoveOutlastsWhoWrites(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nacos")
	cache := filepath.Join(dir, "cache", "config")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	var once sync.Once
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := range 20_000 { // until the folder is gone
			if err := os.WriteFile(filepath.Join(cache, fmt.Sprint(i)), []byte("x"), 0o600); err != nil {
				return
			}
			once.Do(func() { close(begun) })
		}
	})
	<-begun
	remove(dir, slog.New(slog.DiscardHandler))
	writer.Wait()
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
