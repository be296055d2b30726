package openai

import (
	"encoding/base64"
	"fmt"
	"strings"

	"parley/internal/chat"
)

// picture reads a data: URL. Addresses elsewhere are refused: whoever holds a key could have this process fetch what only it can reach.
func picture(url, at string) (*chat.Picture, *failure) {
	head, data, ok := strings.Cut(url, ",")
	if !strings.HasPrefix(strings.ToLower(head), "data:") {
		return nil, invalid(at, "Images are not fetched from addresses here: send the image itself, as data:image/png;base64,…")
	}
	if !ok || !strings.HasSuffix(head, ";base64") {
		return nil, invalid(at, "Expected data:image/png;base64, and then the image in base64.")
	}
	if base64.StdEncoding.DecodedLen(len(data)) > chat.MaxImageBytes+2 {
		return nil, tooLarge(at)
	}
	image, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, invalid(at, "The image is not valid base64.")
	}
	if len(image) > chat.MaxImageBytes {
		return nil, tooLarge(at)
	}
	kind := chat.PictureType(image)
	if kind == "" {
		return nil, invalid(at, "The image is none of JPEG, PNG, GIF and WebP.")
	}
	return &chat.Picture{Type: kind, Data: image}, nil
}

func tooLarge(at string) *failure {
	return invalid(at, fmt.Sprintf("The image is larger than %d MiB, which is the most.", chat.MaxImageBytes>>20))
}
