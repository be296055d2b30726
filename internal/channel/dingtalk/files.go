package dingtalk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"parley/internal/channel"
	"parley/internal/chat"
)

const (
	fetchAllWithin = 20 * time.Second // all pictures of a message
	fetchOneWithin = 10 * time.Second
)

// Fetch implements channel.Fetcher.
func (r *robot) Fetch(ctx context.Context, m chat.Message) ([]chat.Picture, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchAllWithin)
	defer cancel()
	var pictures []chat.Picture
	for _, image := range m.Images {
		var ref imageRef
		if err := json.Unmarshal(image.Ref, &ref); err != nil || ref.Code == "" {
			return nil, chat.E(chat.Internal, "dingtalk.fetch", errors.New("the stored reference is none of this channel"))
		}
		p, err := r.picture(ctx, ref.Code)
		if err != nil {
			return nil, err
		}
		pictures = append(pictures, p)
	}
	return pictures, nil
}

// picture fetches one: its code is exchanged for an address that lives for a short while (document "download the file content of the robot
// receiving message"), which must lie where DingTalk keeps files.
func (r *robot) picture(ctx context.Context, code string) (p chat.Picture, err error) {
	const op = "dingtalk.fetch"
	var got struct {
		URL string `json:"downloadUrl"`
	}
	in := map[string]string{"downloadCode": code, "robotCode": r.code}
	if err := r.api.call(ctx, http.MethodPost, pathDownload, in, &got, later); err != nil {
		e, ok := errors.AsType[*chat.Error](err)
		if ok && e.Kind == chat.Invalid { // the code has expired
			e.Kind = chat.NotFound
		}
		return p, err
	}
	address, ok := fileAddress(got.URL, r.files)
	if !ok {
		return p, chat.E(chat.Forbidden, op, fmt.Errorf("the picture lies at %q, outside of platforms.dingtalk_files in client.yaml", hostOf(got.URL)))
	}
	data, err := r.api.download(ctx, op, address)
	if err != nil {
		return p, err
	}
	p = chat.Picture{Type: http.DetectContentType(data), Data: data}
	if !slices.Contains([]string{"image/jpeg", "image/png", "image/gif", "image/webp"}, p.Type) {
		return p, chat.E(chat.Invalid, op, fmt.Errorf("the picture is of type %s", p.Type))
	}
	return p, nil
}

// download reads what an address holds, up to the size of a picture.
func (c *client) download(ctx context.Context, op, address string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchOneWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, chat.E(chat.Internal, op, errors.New("the address is none"))
	}
	resp, err := c.http.Do(req)
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
	data, err := io.ReadAll(io.LimitReader(resp.Body, channel.MaxImage+1))
	if err != nil {
		return nil, channel.Lost(op, err, false)
	}
	if len(data) > channel.MaxImage {
		return nil, chat.E(chat.TooLarge, op, fmt.Errorf("the picture has more than %d bytes", channel.MaxImage))
	}
	return data, nil
}

// fileAddress judges where a file lies, by origins whose host may begin with "*.". DingTalk gives addresses of http for hosts that speak https,
// too: where only that is listed, that is asked.
func fileAddress(address string, origins []string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	for _, secure := range []bool{false, true} {
		if secure && (u.Scheme != "http" || u.Port() != "" && u.Port() != "80") {
			continue
		}
		if secure {
			u.Scheme, u.Host = "https", u.Hostname()
		}
		for _, origin := range origins {
			if fits(u, origin) {
				return u.String(), true
			}
		}
	}
	return "", false
}

func fits(u *url.URL, origin string) bool {
	scheme, host, ok := strings.Cut(origin, "://")
	if !ok || !strings.EqualFold(scheme, u.Scheme) {
		return false
	}
	if domain, ok := strings.CutPrefix(host, "*"); ok { // ".example.com:8443"
		name, _, _ := strings.Cut(domain, ":")
		own := u.Hostname()
		below := len(own) > len(name) && strings.EqualFold(own[len(own)-len(name):], name)
		return below && within(u.String(), []string{scheme + "://" + own + domain[len(name):]})
	}
	return within(u.String(), []string{origin})
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return channel.Printable(u.Scheme + "://" + u.Host)
}
