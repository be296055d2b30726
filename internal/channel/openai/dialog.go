package openai

import (
	"fmt"
	"strings"

	"parley/internal/chat"
)

// imageMark stands in the history for a picture without words: a model is given pictures with the last question only, and no turn may be empty.
const imageMark = "[image]"

// dialog reads the messages. A turn is a question and its answer, so messages of one role in a row become one; system messages, wherever they
// stand, become the system prompt; and the pictures of the whole dialog go with its last question.
func (r *request) dialog(w *wish) *failure {
	if len(r.Messages) == 0 {
		return invalid("messages", "Invalid 'messages': there must be at least one message.")
	}
	var system []string
	var turns []chat.Turn
	for i := range r.Messages {
		m := &r.Messages[i]
		text, images, f := m.read(i)
		if f != nil {
			return f
		}
		switch m.Role {
		case "system", "developer":
			if len(images) > 0 {
				return invalid(at(i, "content"), "Images are for messages of the user.")
			}
			if text != "" {
				system = append(system, text)
			}
		case "assistant":
			if len(images) > 0 {
				return invalid(at(i, "content"), "Images are for messages of the user.")
			}
			if len(turns) == 0 && text != "" {
				return invalid(at(i, "role"), "The first message that is not of the system must be the user's: not every model that may answer takes another order.")
			}
			if text != "" {
				last := &turns[len(turns)-1]
				last.Answer = join(last.Answer, text)
			}
		case "user":
			if text == "" && len(images) == 0 {
				return invalid(at(i, "content"), "The content of a user's message must not be empty.")
			}
			if text == "" && i < len(r.Messages)-1 {
				text = imageMark
			}
			if w.Images = append(w.Images, images...); len(w.Images) > chat.MaxImages {
				return invalid(at(i, "content"), fmt.Sprintf("There are more than %d images in the messages, which is the most.", chat.MaxImages))
			}
			if n := len(turns); n == 0 || turns[n-1].Answer != "" {
				turns = append(turns, chat.Turn{})
			}
			last := &turns[len(turns)-1]
			last.Question = join(last.Question, text)
		default:
			return m.stranger(i)
		}
	}
	return w.take(system, turns)
}

// take makes the last turn the question.
func (w *wish) take(system []string, turns []chat.Turn) *failure {
	last := len(turns) - 1
	if last < 0 || turns[last].Answer != "" {
		return invalid("messages", "The last message must be the user's.")
	}
	w.System = strings.Join(system, "\n\n")
	w.History, w.Question = turns[:last], turns[last].Question
	return nil
}

// at names a field of a message.
func at(i int, field string) string { return fmt.Sprintf("messages[%d].%s", i, field) }

// stranger refuses a role.
func (m *message) stranger(i int) *failure {
	switch m.Role {
	case "tool", "function":
		return invalid(at(i, "role"), "Messages of tools are not supported here: tools cannot be carried to every model that may answer.")
	default:
		return invalid(at(i, "role"), fmt.Sprintf("Invalid '%s': %.40q is none of system, developer, user and assistant.", at(i, "role"), m.Role))
	}
}

// read gives the text and the pictures of a message.
func (m *message) read(i int) (text string, images []chat.Picture, f *failure) {
	for _, x := range [...]struct {
		field string
		value raw
	}{{"tool_calls", m.ToolCalls}, {"tool_call_id", m.ToolCallID}, {"function_call", m.FunctionCall}, {"audio", m.Audio}} {
		if asks(x.value) {
			return "", nil, unsupported(at(i, x.field))
		}
	}
	switch content := m.Content.(type) {
	case nil:
		return m.Refusal, nil, nil
	case string:
		return content, nil, nil
	case []any:
		return readParts(content, i)
	default:
		return "", nil, invalid(at(i, "content"), "Invalid '"+at(i, "content")+"': expected a string or a list of parts.")
	}
}

func readParts(parts []any, i int) (string, []chat.Picture, *failure) {
	var texts []string
	var images []chat.Picture
	for j, part := range parts {
		text, image, f := readPart(part, at(i, fmt.Sprintf("content[%d]", j)))
		switch {
		case f != nil:
			return "", nil, f
		case image != nil:
			images = append(images, *image)
		case text != "":
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "\n"), images, nil
}

// readPart reads one part of a content.
func readPart(part any, at string) (text string, image *chat.Picture, f *failure) {
	fields, _ := part.(map[string]any)
	switch kind, _ := fields["type"].(string); kind {
	case "text", "refusal":
		text, ok := fields[kind].(string)
		if !ok {
			return "", nil, invalid(at+"."+kind, "Invalid '"+at+"."+kind+"': expected a string.")
		}
		return text, nil, nil
	case "image_url":
		of, _ := fields["image_url"].(map[string]any)
		url, ok := of["url"].(string)
		if !ok {
			return "", nil, invalid(at+".image_url.url", "Invalid '"+at+".image_url.url': expected a string.")
		}
		p, f := picture(url, at+".image_url.url")
		return "", p, f
	default:
		return "", nil, invalid(at+".type", fmt.Sprintf("Parts of type %.40q are not supported here; use text or image_url.", kind))
	}
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n\n" + b
}
