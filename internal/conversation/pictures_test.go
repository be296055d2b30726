package conversation_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley/internal/chat"
	"parley/internal/conversation"
)

// album is an outlet that fetches pictures.
type album struct {
	*outlet
	fetch func(ctx context.Context, try int) ([]chat.Picture, error)
	lock  sync.Mutex
	asked []int // how many pictures
}

func (a *album) Fetch(ctx context.Context, m chat.Message) ([]chat.Picture, error) {
	a.lock.Lock()
	a.asked = append(a.asked, len(m.Images))
	n := len(a.asked)
	a.lock.Unlock()
	return a.fetch(ctx, n)
}

func (w *world) album(fetch func(ctx context.Context, try int) ([]chat.Picture, error)) *album {
	a := &album{outlet: w.out, fetch: fetch}
	w.way = a
	return a
}

var ref = chat.Image{Ref: json.RawMessage(`"media-1"`), Type: "image/jpeg"}

func (w *world) show(p *process, id string, images ...chat.Image) {
	w.t.Helper()
	w.post(p, chat.Message{ID: id, Kind: chat.KindText, Text: "what?", Images: images})
}

func png(size int) chat.Picture {
	return chat.Picture{Data: append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, size-8)...)}
}

// TestPicturesAreFetched, judged by their bytes, and asked about; what cannot be looked at is told honestly, and costs nothing.
func TestPicturesAreFetched(t *testing.T) {
	one := func(p chat.Picture) func(context.Context, int) ([]chat.Picture, error) {
		return func(context.Context, int) ([]chat.Picture, error) { return []chat.Picture{p}, nil }
	}
	fails := func(kind chat.Kind, until int) func(context.Context, int) ([]chat.Picture, error) {
		return func(_ context.Context, try int) ([]chat.Picture, error) {
			if try < until {
				return nil, chat.E(kind, "test.fetch", errors.New("scripted"))
			}
			return []chat.Picture{png(100)}, nil
		}
	}
	blind := &chat.Error{Kind: chat.Invalid, Op: "test", Code: chat.CodeNoVision}
	for name, tc := range map[string]struct {
		fetch func(context.Context, int) ([]chat.Picture, error)
		llm   error
		tries int
		want  string
		lang  string
	}{
		"a picture":               {one(png(100)), nil, 1, "re: [图片] what? (0)", ""},
		"as large as may be":      {one(png(chat.MaxImageBytes)), nil, 1, "re: [图片] what? (0)", ""},
		"too large":               {one(png(chat.MaxImageBytes + 1)), nil, 1, "图片太大了（每张最多 5 MB），请缩小后再发。", ""},
		"none":                    {one(chat.Picture{Type: "image/png", Data: []byte("<html>")}), nil, 1, "这张图片无法识别，请发送 JPEG、PNG、GIF 或 WebP 格式的图片。", ""},
		"empty":                   {one(chat.Picture{}), nil, 1, "这张图片无法识别，请发送 JPEG、PNG、GIF 或 WebP 格式的图片。", ""},
		"the platform: too large": {fails(chat.TooLarge, 9), nil, 1, "图片太大了（每张最多 5 MB），请缩小后再发。", ""},
		"expired":                 {fails(chat.NotFound, 9), nil, 1, "图片已经过期，取不到了，请重新发送。", ""},
		"expired, in English":     {fails(chat.NotFound, 9), nil, 1, "The picture has expired and cannot be fetched any more; please send it again.", "en"},
		"the platform: none":      {fails(chat.Invalid, 9), nil, 1, "这张图片无法识别，请发送 JPEG、PNG、GIF 或 WebP 格式的图片。", ""},
		"no permission":           {fails(chat.Forbidden, 9), nil, 1, "抱歉，这次没能取到图片，请稍后再发一次。", ""},
		"the third try works":     {fails(chat.Unavailable, 3), nil, 3, "re: [图片] what? (0)", ""},
		"no try works":            {fails(chat.Timeout, 9), nil, 3, "抱歉，这次没能取到图片，请稍后再发一次。", ""},
		"fewer than asked for":    {func(context.Context, int) ([]chat.Picture, error) { return nil, nil }, nil, 1, "抱歉，这次没能取到图片，请稍后再发一次。", ""},
		"no model sees":           {one(png(100)), blind, 1, "当前模型看不了图片。请用文字描述，或发送 /model 换一个能看图的模型。", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.Language = tc.lang
				out := w.album(tc.fetch)
				if tc.llm != nil {
					w.llm.fail = func(int) error { return tc.llm }
				}
				p := w.start()
				w.show(p, "1", ref)
				settle(time.Minute)
				shown(t, w, tc.want)
				if len(out.asked) != tc.tries {
					t.Errorf("the platform was asked %d times, want %d", len(out.asked), tc.tries)
				}
				if n := w.llm.asked(); (n == 1) != (tc.want == "re: [图片] what? (0)" || tc.llm != nil) {
					t.Errorf("%d questions", n)
				} else if n == 1 && (len(w.llm.calls[0].Images) != 1 || w.llm.calls[0].Images[0].Type != "image/png") {
					t.Errorf("asked with %d pictures", len(w.llm.calls[0].Images))
				}
			})
		})
	}
}

// TestPicturesOfTheMessageItself need nobody; of those at the platform no more are asked for than are looked at.
func TestPicturesOfTheMessageItself(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start()
		w.show(p, "1", chat.Image{Data: png(100).Data}, chat.Image{Data: []byte("GIF89a;")})
		settle(5 * time.Second)
		w.show(p, "2", ref) // this channel fetches none
		settle(5 * time.Second)
		shown(t, w, "re: [图片][图片] what? (0)", "暂时还不支持这种消息，请发送文字。")
		types := []string{}
		for _, i := range w.llm.calls[0].Images {
			types = append(types, i.Type)
		}
		if diff := cmp.Diff([]string{"image/png", "image/gif"}, types); diff != "" {
			t.Error(diff)
		}
		out := w.album(func(context.Context, int) ([]chat.Picture, error) {
			return []chat.Picture{png(9), png(9), png(9), png(9)}, nil
		})
		w.show(p, "3", ref, ref, ref, ref, ref, ref)
		settle(5 * time.Second)
		if diff := cmp.Diff([]int{4}, out.asked); diff != "" || len(w.llm.calls[1].Images) != 4 {
			t.Errorf("%d pictures, %s", len(w.llm.calls[1].Images), diff)
		}
	})
}

// TestSoManyPicturesAtOnce: a process holds so many, those being fetched counted in full; more wait, and none is lost.
func TestSoManyPicturesAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.MaxWait = time.Hour
		var held atomic.Int64
		var most atomic.Int64
		w.album(func(context.Context, int) ([]chat.Picture, error) {
			for n, was := held.Add(4), most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
			}
			time.Sleep(10 * time.Second)
			held.Add(-4)
			return []chat.Picture{png(9), png(9), png(9), png(9)}, nil
		})
		p := w.start()
		const people = 30
		for i := range people {
			m := chat.Message{ID: string(rune('a' + i)), Kind: chat.KindText, Images: []chat.Image{ref, ref, ref, ref}, User: "u"}
			m.Conversation = chat.ConversationKey{Tenant: "acme", Channel: "app", ID: m.ID}
			if err := p.Accept(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		settle(5 * time.Minute)
		if n, most := w.llm.asked(), most.Load(); n != people || most*chat.MaxImageBytes > 256<<20 || most < 48 {
			t.Errorf("%d of %d were answered; at most %d pictures were fetched at once", n, people, most)
		}
	})
}

// TestAPictureThatIsStopped: nobody waits for a platform that does not answer.
func TestAPictureThatIsStopped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.album(func(ctx context.Context, _ int) ([]chat.Picture, error) { <-ctx.Done(); return nil, ctx.Err() })
		p := w.start()
		w.show(p, "1", ref)
		settle(10 * time.Second)
		w.say(p, "2", "/stop")
		settle(10 * time.Second)
		shown(t, w, "（这条消息的回答已停止）", "已停止。")
		w.way = nil
		w.say(p, "3", "one") // and the room that it held is free
		settle(10 * time.Second)
		if got := w.out.texts(); got[2] != "re: one (0)" {
			t.Errorf("shown %q", got)
		}
	})
}

// TestPicturesCountAgainstTheDay: what a question will cost is not known yet, and estimated with its pictures.
func TestPicturesCountAgainstTheDay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.Limits.TokensPerDay = 100_000
		var asked reservations
		p := w.start(func(o *conversation.Options) { asked.Store, o.Store = o.Store, &asked })
		w.show(p, "1", chat.Image{Data: png(9).Data})
		settle(5 * time.Second)
		w.show(p, "2", chat.Image{Data: png(9).Data}, chat.Image{Data: png(9).Data}, chat.Image{Data: png(9).Data})
		settle(5 * time.Second)
		if len(asked.tokens) != 2 || asked.tokens[1]-asked.tokens[0] < 2*1000 || asked.tokens[1]-asked.tokens[0] > 2*1200+100 {
			t.Errorf("reserved %v for one and three pictures", asked.tokens)
		}
	})
}

type reservations struct {
	conversation.Store
	tokens []int
}

func (r *reservations) Reserve(ctx context.Context, v conversation.Reservation) (conversation.Granted, error) {
	r.tokens = append(r.tokens, v.Tokens)
	return r.Store.Reserve(ctx, v)
}
