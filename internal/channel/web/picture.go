package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"parley/internal/chat"
)

const (
	// maxPicture is the most bytes of one picture. The page scales what people add far below it.
	maxPicture = 512 << 10
	// maxBody holds the pictures of a message as the page makes them, in base64, and its text.
	maxBody = 5 << 19
	// smallBody is more than a message without pictures has. Of larger bodies at most largeBodies are in memory at once, for each channel; others
	// wait for crowdedFor.
	smallBody   = 64 << 10
	largeBodies = 16
	crowdedFor  = 2 * time.Second
	// uploadFor is how long a phone may take for its pictures.
	uploadFor = 30 * time.Second
)

var errCrowded = errors.New("too many pictures at once")

// body takes a request's body into memory; without an error, done says that it is no longer needed.
func (c *Channel) body(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	if r.ContentLength > maxBody {
		w.Header().Set("Connection", "close") // the rest is not read
		return nil, nil, &http.MaxBytesError{Limit: maxBody}
	}
	in := http.MaxBytesReader(w, r.Body, maxBody)
	body, err = io.ReadAll(io.LimitReader(in, smallBody))
	if err != nil || len(body) < smallBody {
		return body, func() {}, err
	}
	select {
	case c.large <- struct{}{}:
	case <-time.After(crowdedFor):
		w.Header().Set("Connection", "close")
		return nil, nil, errCrowded
	}
	done = func() { <-c.large }
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadFor)) // best effort: a recorder has none
	rest, err := io.ReadAll(in)
	if err != nil {
		done()
		return nil, nil, err
	}
	return append(body, rest...), done, nil
}

// pictures checks what a page posted. The type is what the bytes say, whatever the page does.
func pictures(posted []postedPicture) ([]chat.Image, error) {
	if len(posted) > chat.MaxImages {
		return nil, chat.E(chat.Invalid, "web.pictures", errors.New("images: at most 4"))
	}
	var images []chat.Image
	for _, p := range posted {
		if len(p.Data) > maxPicture {
			return nil, chat.E(chat.TooLarge, "web.pictures", errors.New("images: at most 512 KiB each"))
		}
		kind := http.DetectContentType(p.Data)
		if !slices.Contains([]string{"image/jpeg", "image/png", "image/webp", "image/gif"}, kind) {
			return nil, chat.E(chat.Invalid, "web.pictures", errors.New("images: JPEG, PNG, WebP or GIF only"))
		}
		images = append(images, chat.Image{Type: kind, Data: p.Data})
	}
	return images, nil
}

// Fetch implements channel.Fetcher: the pictures came with their message.
func (c *Channel) Fetch(_ context.Context, m chat.Message) ([]chat.Picture, error) {
	out := make([]chat.Picture, 0, len(m.Images))
	for _, i := range m.Images {
		if len(i.Data) == 0 {
			return nil, chat.E(chat.NotFound, "web.fetch", errors.New("the message names a picture that it does not hold"))
		}
		out = append(out, chat.Picture{Type: i.Type, Data: i.Data})
	}
	return out, nil
}
