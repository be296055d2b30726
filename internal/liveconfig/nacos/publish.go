package nacos

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // Nacos compares documents by MD5
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"

	"parley/internal/chat"
	"parley/internal/liveconfig"
)

// settle is how long Publish waits for its effect to be readable.
const settle = 2 * time.Second

// Publish implements liveconfig.Source: Nacos compares the MD5 of what it holds with that of the old content, and sets. Nacos writes
// first and serves from a copy some 100 ms behind; Publish returns when the old form is no longer served, so that who reads next
// does not meet it.
func (s *Source) Publish(ctx context.Context, name string, content, old []byte) error {
	if len(content) == 0 {
		return chat.E(chat.Invalid, "liveconfig.nacos", errors.New("Nacos keeps no empty document"))
	}
	if old != nil { // Nacos inserts a document that does not exist, whatever MD5 is asked for
		if _, exists, err := s.Get(ctx, name); err != nil {
			return err
		} else if !exists {
			return liveconfig.ErrConflict
		}
	}
	// For a document that must not exist the MD5 of nothing serves: no document has it.
	sum := md5.Sum(old) //nolint:gosec // see the import
	_, err := call(ctx, s, func() (bool, error) {
		return s.client.PublishConfig(vo.ConfigParam{DataId: name, Group: s.group, Content: string(content), Type: "yaml",
			CasMd5: hex.EncodeToString(sum[:])})
	})
	if err != nil || bytes.Equal(content, old) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settle)
	defer cancel()
	for {
		now, exists, err := s.Get(ctx, name)
		if err != nil || exists != (old != nil) || !bytes.Equal(now, old) { // an error is none of the publish's
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryLimited / 5):
		}
	}
}

// Delete removes a document; instances keep its last good form and raise an alarm.
func (s *Source) Delete(ctx context.Context, name string) error {
	_, err := call(ctx, s, func() (bool, error) {
		return s.client.DeleteConfig(vo.ConfigParam{DataId: name, Group: s.group})
	})
	return err
}

// pageSize is the most that Nacos gives at once.
const pageSize = 500

// List implements liveconfig.Source. It is the one call over HTTP: the SDK tries Nacos 2's address first, then that of Nacos 3.
func (s *Source) List(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	for page := 1; ; page++ {
		p, err := call(ctx, s, func() (*model.ConfigPage, error) {
			return s.client.SearchConfig(vo.SearchConfigParam{Search: "blur", DataId: prefix + "*", Group: s.group, PageNo: page, PageSize: pageSize})
		})
		if err != nil {
			return nil, err
		}
		for _, item := range p.PageItems {
			// Nacos matches in its database's way, maybe without case: the prefix is checked again.
			if strings.HasPrefix(item.DataId, prefix) {
				names = append(names, item.DataId)
			}
		}
		if page >= p.PagesAvailable || len(p.PageItems) == 0 {
			break
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
