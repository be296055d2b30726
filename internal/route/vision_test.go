package route

import (
	"testing"
)

// TestSees: the document's word, then what vendors say, then the safe side: a model that is given pictures and cannot look answers to the words alone.
func TestSees(t *testing.T) {
	table := mustParse(t, example+"vision: {qwen-vl-max: true, gpt-4o-2024-05-13: false, simulated: false}\n")
	for model, want := range map[string]bool{
		"openai/gpt-4o": true, "openai/gpt-4o-mini": true, "openai/GPT-4o": true, "openai/gpt-4.1-nano": true, "openai/gpt-5-mini": true, "openai/o1": true,
		"openai/gpt-3.5-turbo": false, "openai/gpt-4": false, "openai/gpt-4-turbo": true, "openai/o1-mini": false, "openai/o3-mini": false,
		"openai/gpt-4o-audio-preview": false,
		"chatglm/glm-4v-plus":         true, "chatglm/glm-4.1v-thinking-flash": true, "chatglm/GLM-4.5V": true, "chatglm/glm-4.6v-flash": true,
		"chatglm/glm-4.6": false, "chatglm/glm-4-plus": false, "chatglm/glm-5": false,
		"ernie/ernie-4.5-turbo-vl-32k": true, "ernie/ernie-4.5-vl-28b-a3b": true, "ernie/ernie-4.5-turbo-128k": false,
		"local/qwen2.5:7b": false, "local/qwen-vl-max": true, "openai/gpt-4o-2024-05-13": false,
		"sim/anything": true, "sim/simulated": false, // which needs no vendor to see
	} {
		x, _ := splitTarget(model)
		if got := table.Sees(table.Provider(x.provider), x.model); got != want {
			t.Errorf("%s sees: %v, want %v", model, got, want)
		}
	}
	choices, err := table.Pick(Want{Tenant: "other", Class: "chat"}, nil)
	if err != nil || len(choices) != 3 || !choices[0].Sees || choices[1].Sees || choices[2].Sees {
		t.Errorf("choices %+v, %v", choices, err)
	}
}
