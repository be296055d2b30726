package conversation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley/internal/chat"
)

const (
	// maxPictures bounds the pictures that this process holds at once, in bytes, those being fetched counted in full; more wait.
	maxPictures = 256 << 20
	// pictureTries is how often a turn asks the platform for pictures.
	pictureTries = 3
	// picturePause is the pause until it is looked again whether there is room for pictures.
	picturePause = 200 * time.Millisecond
)

// pictureError says why a message's pictures cannot be looked at; text is the name of what the person is told.
type pictureError struct {
	text string
	err  error
}

// Error implements error.
func (e *pictureError) Error() string { return e.text + ": " + e.err.Error() }

// Unwrap gives errors.Is and errors.As the cause.
func (e *pictureError) Unwrap() error { return e.err }

// look gets the pictures of the question, and room for them until free is called.
func (a *asking) look(ctx context.Context) (free func(), err error) {
	images := a.c.Message.Images
	images = images[:min(len(images), chat.MaxImages)]
	want := int64(len(images)) * chat.MaxImageBytes
	if a.direct != nil {
		a.pictures = a.direct.want.Images
		want = size(a.pictures)
	}
	if want == 0 {
		return func() {}, nil
	}
	if err := a.hold(ctx, want); err != nil {
		return func() {}, err
	}
	if a.direct == nil {
		a.pictures, err = a.fetch(ctx, images)
	}
	held := size(a.pictures)
	a.Service.pictures.Add(held - want)
	return func() { a.Service.pictures.Add(-held) }, err
}

// hold waits for room; it fails as wait does.
func (a *asking) hold(ctx context.Context, bytes int64) error {
	for a.Service.pictures.Add(bytes) > maxPictures {
		a.Service.pictures.Add(-bytes)
		left := time.Until(a.until)
		switch {
		case a.leaving.Err() != nil:
			return errHandover
		case left <= 0:
			return errLate
		case a.Pause(ctx, min(left, a.spread(picturePause))) != nil:
			return context.Cause(ctx)
		}
	}
	return nil
}

func size(pictures []chat.Picture) (n int64) {
	for _, p := range pictures {
		n += int64(len(p.Data))
	}
	return n
}

// fetch gets the pictures from the message or the platform, and judges them.
func (a *asking) fetch(ctx context.Context, images []chat.Image) ([]chat.Picture, error) {
	got := make([]chat.Picture, 0, len(images))
	for _, i := range images {
		if len(i.Data) > 0 {
			got = append(got, chat.Picture{Data: i.Data})
		}
	}
	if len(got) < len(images) {
		var err error
		if got, err = a.download(ctx, images); err != nil {
			return nil, err
		}
	}
	for i, p := range got {
		if len(p.Data) > chat.MaxImageBytes {
			return nil, &pictureError{"picture_large", fmt.Errorf("picture %d has %d bytes", i+1, len(p.Data))}
		}
		if got[i].Type = chat.PictureType(p.Data); got[i].Type == "" {
			return nil, &pictureError{"picture_bad", fmt.Errorf("picture %d is no JPEG, PNG, GIF or WebP", i+1)}
		}
	}
	return got, nil
}

// download asks the platform, more than once if that may help.
func (a *asking) download(ctx context.Context, images []chat.Image) ([]chat.Picture, error) {
	outlet, ok := a.outlet.(Fetcher)
	if !ok {
		return nil, &pictureError{"unsupported", errors.New("the channel cannot fetch pictures")}
	}
	m := a.c.Message.Message
	m.Images = images
	for try := 1; ; try++ {
		began := time.Now()
		got, err := outlet.Fetch(ctx, m)
		a.metrics.step("fetch", began)
		if err == nil && len(got) != len(images) {
			err = fmt.Errorf("there are %d of %d pictures", len(got), len(images))
		}
		if err == nil || ctx.Err() != nil {
			return got, err
		}
		e := asError(err)
		if !e.Kind.Retryable() || try == pictureTries || e.RetryAfter > inPlace {
			return nil, &pictureError{pictureText(e.Kind), err}
		}
		if err := a.Pause(ctx, max(e.RetryAfter, a.growing(try, time.Second))); err != nil {
			return nil, err
		}
	}
}

func pictureText(k chat.Kind) string {
	switch k {
	case chat.TooLarge:
		return "picture_large"
	case chat.NotFound:
		return "picture_gone"
	case chat.Invalid:
		return "picture_bad"
	default:
		return "picture_failed"
	}
}
