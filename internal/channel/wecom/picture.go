package wecom

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/silenceper/wechat/v2/util"

	"parley/internal/channel"
	"parley/internal/chat"
)

const mediaPath = "/cgi-bin/media/get"

// media is an [chat.Image]'s Ref in WeCom's channels.
type media struct {
	ID string `json:"media_id"`
}

// MediaImage is the image that a message's media_id stands for; it can be fetched for three days.
func MediaImage(mediaID string) chat.Image {
	ref, _ := json.Marshal(media{mediaID}) // a string alone: it does not fail
	return chat.Image{Ref: ref}
}

// Pictures implements channel.Fetcher for images made by [MediaImage].
func (c *Client) Pictures(ctx context.Context, images []chat.Image) ([]chat.Picture, error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	pictures := make([]chat.Picture, 0, len(images))
	for _, i := range images {
		var m media
		if json.Unmarshal(i.Ref, &m) != nil || m.ID == "" {
			return nil, chat.E(chat.Invalid, opOf(mediaPath), errors.New("no media_id"))
		}
		var p chat.Picture
		err := c.withToken(ctx, func(token chat.Secret) (err error) {
			p, err = c.picture(ctx, m.ID, token)
			return err
		})
		if err != nil {
			return nil, err
		}
		pictures = append(pictures, p)
	}
	return pictures, nil
}

// picture fetches a temporary file (document 90254). Who asks for one that is gone gets JSON, with status 200 as well.
func (c *Client) picture(ctx context.Context, id string, token chat.Secret) (chat.Picture, error) {
	op := opOf(mediaPath)
	ctx, x := withClient(ctx, c.http)
	x.most = channel.MaxImage + 1
	data, err := util.HTTPGetContext(ctx, c.address(mediaPath, url.Values{"media_id": {id}}, token))
	if err != nil {
		e := x.lost(op, err)
		e.Maybe = false // no person sees it
		return chat.Picture{}, e
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		var refusal struct{ util.CommonError }
		if err := c.decode(x, op, data, token, &refusal); err != nil {
			return chat.Picture{}, err
		}
	}
	if len(data) > channel.MaxImage {
		return chat.Picture{}, chat.E(chat.TooLarge, op, fmt.Errorf("the picture has more than %d bytes", channel.MaxImage))
	}
	// What the platform names it decides nothing: the bytes say what it is.
	kind := http.DetectContentType(data)
	if !slices.Contains([]string{"image/jpeg", "image/png", "image/gif", "image/webp"}, kind) {
		return chat.Picture{}, chat.E(chat.Invalid, op, fmt.Errorf("no picture that a model takes: %s", kind))
	}
	return chat.Picture{Type: kind, Data: data}, nil
}
