package openai

import (
	"cmp"
	"unicode/utf8"

	"parley/internal/chat"
	"parley/internal/llm"
)

// sampling adds what the vendor takes of the caller's wishes to a request's fields. OpenAI's reasoning models refuse whatever bears on the choice
// of tokens, and stop texts.
func (p *Provider) sampling(fields map[string]any, c *llm.Call) {
	s, takes := c.Sampling, p.dialect.Takes
	if s == nil {
		return
	}
	if s.JSON {
		fields["response_format"] = map[string]string{"type": "json_object"}
	}
	if s.Seed != nil && !takes.NoSeed {
		fields["seed"] = *s.Seed
	}
	if p.dialect.MaxTokens == "" && reasons(c.Model) {
		return
	}
	if stops := stopsFor(s, takes); len(stops) > 0 {
		fields["stop"] = stops
	}
	number := func(name string, wish *float64, least, most float64) {
		if wish != nil {
			fields[name] = min(max(*wish, least), most)
		}
	}
	number("temperature", s.Temperature, 0, cmp.Or(takes.Temperature, 2))
	number("top_p", s.TopP, takes.TopP, 1)
	if !takes.NoPenalties {
		number("presence_penalty", s.Presence, -2, 2)
		number("frequency_penalty", s.Frequency, -2, 2)
	}
}

// stopsFor are the first stop texts that the vendor takes.
func stopsFor(s *chat.Sampling, takes llm.Takes) (stops []string) {
	for _, text := range s.Stop {
		long := takes.StopRunes > 0 && utf8.RuneCountInString(text) > takes.StopRunes
		if text != "" && !long && len(stops) < cmp.Or(takes.Stops, 4) {
			stops = append(stops, text)
		}
	}
	return stops
}
