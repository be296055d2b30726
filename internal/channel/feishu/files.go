package feishu

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

// fetchAllWithin is for all pictures of a message.
const fetchAllWithin = 20 * time.Second

// Fetch implements channel.Fetcher (document "get resource files in messages"). The platform gives them itself; nothing else is called.
func (b *bot) Fetch(ctx context.Context, m chat.Message) ([]chat.Picture, error) {
	const op = "feishu.resource"
	ctx, cancel := context.WithTimeout(ctx, fetchAllWithin)
	defer cancel()
	var pictures []chat.Picture
	for _, image := range m.Images {
		var ref imageRef
		if err := json.Unmarshal(image.Ref, &ref); err != nil || !isID(ref.Message) || !isID(ref.Key) {
			return nil, chat.E(chat.Internal, op, errors.New("the stored reference is none of this channel"))
		}
		f := file{limit: channel.MaxImage}
		path := pathMessages + "/" + url.PathEscape(ref.Message) + "/resources/" + url.PathEscape(ref.Key) + "?type=image"
		if err := b.api.call(ctx, request{api: "resource", method: http.MethodGet, path: path, raw: &f, most: later}); err != nil {
			return nil, err
		}
		p := chat.Picture{Type: chat.PictureType(f.data), Data: f.data}
		if p.Type == "" {
			return nil, chat.E(chat.Invalid, op, errors.New("the file is no JPEG, PNG, GIF or WebP"))
		}
		pictures = append(pictures, p)
	}
	return pictures, nil
}
