package rpc

import (
	"errors"
	"fmt"
	"sync/atomic"

	chatv1 "parley/api/chat/v1"
	"parley/internal/chat"
)

// errNoImages says that a server is of a release before pictures: its answer would be to the words alone, and nobody would know.
var errNoImages = errors.New("the server does not pass pictures on: it is of an older release, or its model was given none")

// pictures counts the bytes of pictures that an instance holds.
type pictures struct {
	most int64
	held atomic.Int64
}

// hold judges a request's pictures and counts them until done is called. Without room the instance is at its limit: another one may do.
func (p *pictures) hold(images []*chatv1.Image) (done func(), err error) {
	const op = "rpc.pictures"
	if len(images) > chat.MaxImages {
		return nil, chat.E(chat.Invalid, op, fmt.Errorf("there are %d pictures; at most %d are looked at", len(images), chat.MaxImages))
	}
	size := int64(0)
	for i, image := range images {
		switch n := len(image.GetData()); {
		case n > chat.MaxImageBytes:
			return nil, chat.E(chat.TooLarge, op, fmt.Errorf("picture %d has %d bytes, %d is the most", i+1, n, chat.MaxImageBytes))
		case chat.PictureType(image.GetData()) == "":
			return nil, chat.E(chat.Invalid, op, fmt.Errorf("picture %d is no JPEG, PNG, GIF or WebP", i+1))
		default:
			size += int64(n)
		}
	}
	if p.held.Add(size) > p.most && size > 0 {
		p.held.Add(-size)
		return nil, &chat.Error{Kind: chat.Overloaded, Op: op, Code: chat.CodeInstance, Err: fmt.Errorf("the instance holds %d bytes of pictures, its limit", p.most)}
	}
	return func() { p.held.Add(-size) }, nil
}
