package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	fetchAllFor = 20 * time.Second // all pictures of a message
	filePadding = 32               // a file's bytes are this many longer at most than the picture's
)

// Fetch implements channel.Fetcher. A picture's address works for five minutes.
func (b *aiBot) Fetch(ctx context.Context, m chat.Message) ([]chat.Picture, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchAllFor)
	defer cancel()
	pictures := make([]chat.Picture, 0, len(m.Images))
	for _, image := range m.Images {
		var ref imageRef
		if err := json.Unmarshal(image.Ref, &ref); err != nil || ref.URL == "" {
			return nil, chat.E(chat.Internal, "wecombot.fetch", errors.New("the stored reference is none of this channel"))
		}
		p, err := b.picture(ctx, ref)
		if err != nil {
			return nil, err
		}
		pictures = append(pictures, p)
	}
	return pictures, nil
}

func (b *aiBot) picture(ctx context.Context, ref imageRef) (p chat.Picture, err error) {
	const op = "wecombot.fetch"
	u, err := url.Parse(ref.URL)
	if err != nil || !listed(u, b.files) {
		return p, chat.E(chat.Forbidden, op, fmt.Errorf("the picture lies at %q, outside of platforms.wecom_bot_files in client.yaml", hostOf(u)))
	}
	data, err := b.download(ctx, op, u.String())
	if err != nil {
		return p, err
	}
	plain, err := b.envelope.OpenFile(data, chat.NewSecret(ref.Key))
	if err != nil {
		return p, err
	}
	if len(plain) > channel.MaxImage {
		return p, tooLarge(op)
	}
	p = chat.Picture{Type: chat.PictureType(plain), Data: plain}
	if p.Type == "" {
		return p, chat.E(chat.Invalid, op, errors.New("the file is no picture that a model takes"))
	}
	return p, nil
}

func tooLarge(op string) error {
	return chat.E(chat.TooLarge, op, fmt.Errorf("the picture has more than %d bytes", channel.MaxImage))
}

// download reads what an address holds, up to the size of a picture.
func (b *aiBot) download(ctx context.Context, op, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, chat.E(chat.Internal, op, errors.New("the address is none"))
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return nil, channel.Lost(op, err, false)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests:
		return nil, chat.E(chat.Unavailable, op, fmt.Errorf("HTTP status %d", resp.StatusCode))
	case resp.StatusCode != http.StatusOK: // expired, or gone
		return nil, chat.E(chat.NotFound, op, fmt.Errorf("HTTP status %d", resp.StatusCode))
	}
	const most = channel.MaxImage + filePadding
	data, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return nil, channel.Lost(op, err, false)
	case len(data) > most:
		return nil, tooLarge(op)
	}
	return data, nil
}

// listed says whether an address lies at one of the origins, whose host may begin with "*.".
func listed(u *url.URL, origins []string) bool {
	if u.User != nil || u.Opaque != "" || u.Host == "" {
		return false
	}
	for _, origin := range origins {
		scheme, host, _ := strings.Cut(origin, "://")
		if !strings.EqualFold(u.Scheme, scheme) {
			continue
		}
		if domain, below := strings.CutPrefix(host, "*"); below {
			if n := len(u.Host) - len(domain); n > 0 && strings.EqualFold(u.Host[n:], domain) {
				return true
			}
		} else if strings.EqualFold(u.Host, host) {
			return true
		}
	}
	return false
}

// hostOf is as much of an address as a log may hold.
func hostOf(u *url.URL) string {
	if u == nil {
		return ""
	}
	return channel.Printable(u.Scheme + "://" + u.Host)
}
