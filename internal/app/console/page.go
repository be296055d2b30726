package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"mime"
	"net/http"
	"path"
	"time"
)

//go:embed assets
var files embed.FS

func (c *Console) servePage(q *call) (any, error) { return c.file(q, "index.html") }

func (c *Console) serveAsset(q *call) (any, error) { return c.file(q, q.PathValue("name")) }

// file answers with a file of the page. Browsers ask each time whether it changed.
func (c *Console) file(q *call, name string) (any, error) {
	body, err := files.ReadFile("assets/" + name)
	if err != nil {
		return nil, refusal{http.StatusNotFound, "not_found", "there is no such file"}
	}
	sum := sha256.Sum256(body)
	h := q.w.Header()
	h.Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	http.ServeContent(q.w, q.Request, name, time.Time{}, bytes.NewReader(body))
	return answered{}, nil
}
