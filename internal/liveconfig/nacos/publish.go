package nacos

import (
	"context"
	"crypto/md5" //nolint:gosec // Nacos compares documents by MD5
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"

	"parley/internal/chat"
	"parley/internal/liveconfig"
)

// Publish implements liveconfig.Source. Nacos compares and sets by the MD5 of the old content.
func (s *Source) Publish(ctx context.Context, name string, content, old []byte) error {
	if len(content) == 0 {
		return chat.E(chat.Invalid, "liveconfig.nacos", errors.New("Nacos keeps no empty document"))
	}
	// For a document that must not exist the MD5 of nothing serves: Nacos inserts it if there is none, and else finds another MD5.
	sum := md5.Sum(old) //nolint:gosec // see above
	_, err := call(ctx, s, func() (bool, error) {
		return s.client.PublishConfig(vo.ConfigParam{DataId: name, Group: s.group, Content: string(content), Type: "yaml",
			CasMd5: hex.EncodeToString(sum[:])})
	})
	if err == nil {
		return nil
	}
	// The SDK drops the code of the refusal: what stands there now tells a conflict from a failure.
	now, exists, readErr := s.Get(ctx, name)
	if readErr == nil && (exists != (old != nil) || string(now) != string(old)) && string(now) != string(content) {
		return liveconfig.ErrConflict
	}
	if readErr == nil && string(now) == string(content) {
		return nil
	}
	return err
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

// List implements liveconfig.Source.
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
			// Nacos matches in its database's way, without case: the prefix is checked again.
			if strings.HasPrefix(item.DataId, prefix) && item.Group == s.group {
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
