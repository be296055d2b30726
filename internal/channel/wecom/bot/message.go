package bot

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"parley/internal/channel"
	"parley/internal/chat"
)

// maxID bounds the identifiers of a message; WeCom's have at most 64 bytes or so.
const maxID = 256

// incoming is what the platform says (documents 100719, 101027), the same over both ways in but for the file's keys.
type incoming struct {
	ID          string `json:"msgid"`
	Bot         string `json:"aibotid"`
	Chat        string `json:"chatid"` // in groups only
	ChatType    string `json:"chattype"`
	From        person `json:"from"`
	CreatedAt   int64  `json:"create_time"`
	ResponseURL string `json:"response_url"`
	content
	Quote  *content `json:"quote"`
	Stream struct {
		ID string `json:"id"`
	} `json:"stream"`
	Event struct {
		Type string `json:"eventtype"`
	} `json:"event"`
}

type person struct {
	User string `json:"userid"`
}

// content is what a person sent, or quoted.
type content struct {
	Type  string `json:"msgtype"`
	Text  text   `json:"text"`
	Image file   `json:"image"`
	Voice text   `json:"voice"` // as the platform understood it
	Mixed struct {
		Items []struct {
			Type  string `json:"msgtype"`
			Text  text   `json:"text"`
			Image file   `json:"image"`
		} `json:"msg_item"`
	} `json:"mixed"`
}

type text struct {
	Content string `json:"content"`
}

type file struct {
	URL string `json:"url"`
	Key string `json:"aeskey"` // over a long connection each file has its own
}

// The words under msgtype that are not what a person sent.
const (
	typeStream = "stream" // the platform asks how a stream goes on
	typeEvent  = "event"
)

// eventEnter is the first entry of the day.
const eventEnter = "enter_chat"

// address is what an answer needs: which stream of which chat it goes to.
type address struct {
	Stream string `json:"stream"`
	Chat   string `json:"chat"` // a person, or a group
	Group  bool   `json:"group,omitempty"`
	URL    string `json:"url,omitempty"` // response_url
	Req    string `json:"req,omitempty"` // req_id of a long connection's frame
	At     int64  `json:"at"`            // when the message came, in milliseconds
}

func (a address) began() time.Time { return time.UnixMilli(a.At) }

func decodeAddress(m chat.Message) (a address, err error) {
	if err := json.Unmarshal(m.Address, &a); err != nil || a.Stream == "" {
		return a, chat.E(chat.Internal, "wecombot.send", errors.New("the stored address is none of this channel"))
	}
	return a, nil
}

// imageRef is a chat.Image's Ref.
type imageRef struct {
	URL string `json:"url"`
	Key string `json:"key,omitempty"`
}

// check refuses what has no sender, or identifiers that no platform makes.
func (in *incoming) check() error {
	for _, id := range []struct {
		name, value string
		needed      bool
	}{
		{"msgid", in.ID, in.Type != typeStream && in.Type != typeEvent},
		{"from.userid", in.From.User, true},
		{"chatid", in.Chat, in.ChatType == "group"},
		{"stream.id", in.Stream.ID, in.Type == typeStream},
	} {
		if len(id.value) > maxID || id.needed && id.value == "" {
			return fmt.Errorf("%s is missing or has more than %d bytes", id.name, maxID)
		}
	}
	if in.ChatType != "group" {
		in.Chat = ""
	}
	return nil
}

// conversation names whose conversation a message, or a question about a stream, belongs to.
func (b *aiBot) conversation(in *incoming) chat.ConversationKey {
	place := channel.Place{User: in.From.User, Group: in.Chat}
	return chat.ConversationKey{Tenant: b.tenant, Channel: b.name, ID: channel.ConversationID(b.group, place)}
}

// message turns what a person sent into a message of Parley. to is what is known of the way back.
func (b *aiBot) message(in *incoming, to address) (chat.Message, error) {
	to.Stream, to.Chat, to.Group, to.At = b.streamID(in.ID), in.From.User, in.Chat != "", b.now().UnixMilli()
	if to.Group {
		to.Chat = in.Chat
	}
	raw, err := json.Marshal(to)
	if err != nil {
		return chat.Message{}, chat.E(chat.Internal, "wecombot.open", err)
	}
	m := chat.Message{ID: in.ID, Conversation: b.conversation(in), User: in.From.User, Kind: chat.KindText, Alone: true, Address: raw}
	if in.CreatedAt > 0 {
		m.SentAt = time.Unix(in.CreatedAt, 0)
	}
	m.Text, m.Images = in.words()
	if m.Text = clean(m.Text); to.Group {
		m.Text = withoutMention(m.Text, b.mention)
	}
	if in.Quote != nil {
		quote, images := in.Quote.words()
		m.Quote = strings.TrimSpace(clean(quote))
		m.Images = append(m.Images, images...)
	}
	m.Images = m.Images[:min(len(m.Images), chat.MaxImages)]
	if !in.understood() {
		m.Kind, m.Text, m.Quote, m.Images = chat.KindUnsupported, clean(in.Type), "", nil
	}
	return m, nil
}

// understood says whether Parley can do something with what was sent.
func (c *content) understood() bool {
	switch c.Type {
	case "text", "mixed", "image":
		return true
	case "voice":
		return strings.TrimSpace(c.Voice.Content) != ""
	}
	return false
}

// words are what was said, and the pictures beside it.
func (c *content) words() (string, []chat.Image) {
	switch c.Type {
	case "text":
		return c.Text.Content, nil
	case "voice":
		return c.Voice.Content, nil
	case "image":
		return "", images(c.Image)
	case "mixed":
		var said []string
		var pictures []chat.Image
		for _, item := range c.Mixed.Items {
			switch item.Type {
			case "text":
				said = append(said, item.Text.Content)
			case "image":
				pictures = append(pictures, images(item.Image)...)
			}
		}
		return strings.Join(said, "\n"), pictures
	}
	return "", nil
}

func images(f file) []chat.Image {
	if f.URL == "" {
		return nil
	}
	ref, _ := json.Marshal(imageRef(f)) // texts alone: it does not fail
	return []chat.Image{{Ref: ref}}
}

// clean makes bytes that are no text into U+FFFD.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// withoutMention takes the @ that calls the bot in a group out of a text. The platform leaves it in, and says nowhere where it ends: a name that is
// configured is taken out as it stands; else the first word is, or the last, if it begins with an @.
func withoutMention(text, name string) string {
	text = strings.TrimSpace(text)
	if name != "" && strings.Contains(text, "@"+name) {
		return strings.TrimSpace(strings.Replace(text, "@"+name, "", 1))
	}
	if strings.HasPrefix(text, "@") {
		end := strings.IndexFunc(text, unicode.IsSpace)
		if end < 0 {
			return ""
		}
		return strings.TrimSpace(text[end:])
	}
	if at := strings.LastIndexByte(text, '@'); at >= 0 && !strings.ContainsFunc(text[at:], unicode.IsSpace) && !partOfWord(text[:at]) {
		return strings.TrimSpace(text[:at])
	}
	return text
}

// partOfWord says that an @ after this is one of an address, as in zhang@example.com.
func partOfWord(before string) bool {
	if before == "" {
		return false
	}
	c := before[len(before)-1]
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.' || c == '_' || c == '-'
}
