package conversation

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/internal/chat"
)

// texts are what people see besides answers, by name and language. A tenant's document may override each; {placeholders} are filled in.
var texts = map[string]map[string]string{
	"zh": {
		"welcome":        "你好，我是你的 AI 助手。直接发消息就可以和我对话；发送 /help 查看用法。",
		"help":           "直接发消息即可对话，我会记得最近的上下文。\n/help 帮助：查看用法\n/reset 重置：忘掉之前的对话\n/stop 停止：停止正在生成的回答\n/status 状态：查看当前对话\n/model 模型：查看或切换模型\n/forget 忘记我：删除你在这里的全部数据",
		"reset":          "好的，之前的对话已经清空，我们重新开始。",
		"stop_done":      "已停止。",
		"stop_none":      "现在没有正在进行的回答。",
		"stopped":        "（这条消息的回答已停止）",
		"status":         "模型：{model}\n已记住的对话：{turns} 轮（最多 {max} 轮）\n排队中的消息：{waiting} 条",
		"model":          "当前模型：{model}\n可选模型：{models}\n发送“/model 名称”切换。",
		"model_set":      "已切换到模型：{model}",
		"model_unknown":  "没有这个模型。可选模型：{models}",
		"list_separator": "、",
		"unsupported":    "暂时还不支持这种消息，请发送文字。",
		"too_long":       "这条消息太长了，请缩短后再发。",
		"mark":           "（AI 生成）",
		"picture":        "[图片]",
		"picture_large":  "图片太大了（每张最多 5 MB），请缩小后再发。",
		"picture_gone":   "图片已经过期，取不到了，请重新发送。",
		"picture_bad":    "这张图片无法识别，请发送 JPEG、PNG、GIF 或 WebP 格式的图片。",
		"picture_failed": "抱歉，这次没能取到图片，请稍后再发一次。",
		"no_vision":      "当前模型看不了图片。请用文字描述，或发送 /model 换一个能看图的模型。",
		"rate":           "你发得太快了，请稍等一分钟再试。",
		"busy":           "现在提问的人太多，这条消息没有处理，请稍后再发一次。",
		"crowded":        "现在提问的人太多，轮到这条消息大约要等 {minutes} 分钟，所以没有处理，请稍后再发一次。",
		"late":           "抱歉，这条消息等待太久，没有处理。如果仍需要，请再发一次。",
		"timeout":        "抱歉，模型没有在规定时间内答完，请稍后再试。",
		"failed":         "抱歉，这次没能得到回答，请稍后再试。",
		"rejected":       "抱歉，这个问题的内容无法回答。",
		"refused":        "抱歉，这条消息或它的回答包含不允许的内容，无法显示。",
		"suspended":      "本服务已暂停，请联系管理员。",
		"degraded":       "（默认模型暂不可用，现由 {model} 为你回答）",
		"queued":         "现在提问的人较多，正在排队，请稍候……（发送 /stop 可取消）",
		"waited":         "（刚才提问的人较多，这条消息排队等了约 {seconds} 秒）",
		"cap_user":       "你今天的用量已达上限（{limit} tokens），{when}（北京时间）恢复，到时请再发一次。",
		"cap_tenant":     "你所在的组织今天的用量已达上限，{when}（北京时间）恢复，到时请再发一次。",
		"status_used":    "今日已用：{used} / {limit} tokens",
		"forget": "已忘记你在这里的一切：\n对话 {turns} 轮、页面上的回答 {shown} 段、没能处理的消息 {letters} 条，均已删除；{days} 天的用量不再记在你名下。\n" +
			"只留下消息编号和时间标记（不含内容，用来识别重复投递），最迟 {until}（北京时间）消失。\n其他渠道里的对话，请到那里再发一次 /forget。",
		"forget_cap": "今天的用量数字（不含内容）留到 {until}（北京时间）：限额照常计算。",
	},
	"en": {
		"welcome":        "Hello, I am your AI assistant. Just send a message; send /help to see what else I can do.",
		"help":           "Just send a message; I remember the recent conversation.\n/help: this text\n/reset: forget the conversation so far\n/stop: stop the answer being written\n/status: this conversation\n/model: see or choose the model\n/forget: remove all that is kept of you here",
		"reset":          "Done. The conversation so far is forgotten; let us start anew.",
		"stop_done":      "Stopped.",
		"stop_none":      "No answer is being written right now.",
		"stopped":        "(The answer to this message was stopped.)",
		"status":         "Model: {model}\nRemembered: {turns} turns (at most {max})\nMessages waiting: {waiting}",
		"model":          "Model: {model}\nAvailable: {models}\nSend \"/model NAME\" to change it.",
		"model_set":      "The model is now {model}.",
		"model_unknown":  "There is no such model. Available: {models}",
		"list_separator": ", ",
		"unsupported":    "This kind of message is not supported yet; please send text.",
		"too_long":       "This message is too long; please shorten it.",
		"mark":           "(AI-generated)",
		"picture":        "[picture]",
		"picture_large":  "The picture is too large (5 MB each at most); please make it smaller.",
		"picture_gone":   "The picture has expired and cannot be fetched any more; please send it again.",
		"picture_bad":    "The picture cannot be read; please send it as JPEG, PNG, GIF or WebP.",
		"picture_failed": "Sorry, the picture could not be fetched this time; please send it again later.",
		"no_vision":      "The current model cannot look at pictures. Please describe it in words, or send /model to choose another model.",
		"rate":           "You are writing too fast; please try again in a minute.",
		"busy":           "Too many people are asking right now; this message was not processed. Please send it again later.",
		"crowded":        "Too many people are asking right now: this message would have to wait about {minutes} min, so it was not processed. Please send it again later.",
		"late":           "Sorry, this message waited too long and was not processed. Please send it again if you still need an answer.",
		"timeout":        "Sorry, the model did not finish in time. Please try again later.",
		"failed":         "Sorry, no answer could be had this time. Please try again later.",
		"rejected":       "Sorry, this cannot be answered because of its content.",
		"refused":        "Sorry, this message or its answer has content that is not allowed here and cannot be shown.",
		"suspended":      "This service is suspended; please ask your administrator.",
		"degraded":       "(The usual model is unavailable; {model} answers for now.)",
		"queued":         "Many people are asking right now; you are in the queue… (Send /stop to give up.)",
		"waited":         "(Many people were asking; this message waited about {seconds} seconds for its turn.)",
		"cap_user":       "You have used up today's {limit} tokens. Please send this again after {when} (Beijing time).",
		"cap_tenant":     "Your organization has used up today's tokens. Please send this again after {when} (Beijing time).",
		"status_used":    "Used today: {used} of {limit} tokens",
		"forget": "All that was kept of you here is forgotten:\n{turns} turns, {shown} shown parts of replies and {letters} unanswered messages are removed; " +
			"the usage of {days} days is nobody's now.\nOnly ids and times of messages stay, without content, to recognise deliveries that come twice; " +
			"they are gone by {until} (Beijing time).\nFor conversations in other channels, send /forget there.",
		"forget_cap": "Today's number of tokens, without content, stays until {until} (Beijing time): limits go on counting.",
	},
}

// TextNames lists the names that a tenant's `texts:` may override.
func TextNames() []string {
	names := make([]string, 0, len(texts["zh"]))
	for name := range texts["zh"] {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// text is what a person sees, in the tenant's words or language. pairs fill {placeholders}: "model", "gpt-4o", ….
func text(t *chat.Tenant, name string, pairs ...string) string {
	s := template(t, name)
	for i := 0; i+1 < len(pairs); i += 2 {
		s = strings.ReplaceAll(s, "{"+pairs[i]+"}", pairs[i+1])
	}
	return s
}

func template(t *chat.Tenant, name string) string {
	if own, ok := t.Texts[name]; ok {
		return own
	}
	if s, ok := texts[t.Language][name]; ok {
		return s
	}
	return texts["zh"][name]
}

// marked is a model's text as a person sees it: with the mark that says so, at its end, if the tenant wants one.
func marked(t *chat.Tenant, answer string) string {
	if !t.Mark {
		return answer
	}
	return strings.TrimRight(answer, "\n") + "\n\n" + text(t, "mark")
}

// crowded tells how long a message would have to wait. A tenant's own words for busy stand for this, too.
func crowded(t *chat.Tenant, wait time.Duration) string {
	name := "crowded"
	if _, own := t.Texts[name]; !own && t.Texts["busy"] != "" {
		name = "busy"
	}
	return text(t, name, "minutes", strconv.Itoa(int(math.Ceil(wait.Minutes()))))
}

// textOf names the text for a turn that failed; what exactly went wrong is the operator's business.
func textOf(k chat.Kind) string {
	switch k {
	case chat.Timeout:
		return "timeout"
	case chat.Rejected:
		return "rejected"
	case chat.TooLarge:
		return "too_long"
	case chat.RateLimited, chat.Overloaded:
		return "busy"
	default:
		return "failed"
	}
}
