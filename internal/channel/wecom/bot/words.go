package bot

// words are what people see that no model and no conversation wrote.
type words struct {
	welcome  string
	thinking string // until there is something to show
	waiting  string // an earlier message of the conversation is still being answered
	closed   string // the window is over; the answer will come by itself
	moved    string // it has come by itself
	goesOn   string // the rest follows as a message of its own
	cut      string // the platform takes no more
	hidden   string // the model wrote nothing that people are to see
	unstored string
}

// wordsOf gives them in a language; known is false for another one.
func wordsOf(language string) (w words, known bool) {
	if language == "en" {
		return words{
			welcome:  "Hello, I am your AI assistant. Just send a message; send /help to see what else I can do.",
			thinking: "Thinking…",
			waiting:  "Still answering your earlier message, one moment…",
			closed:   "(Still being written; it will be sent to you separately when it is done.)",
			moved:    "(The answer was sent to you separately.)",
			goesOn:   "(continued in the next message)",
			cut:      "(The answer is too long; the rest is not shown.)",
			hidden:   "(There is nothing to show.)",
			unstored: "Sorry, this message could not be taken in right now. Please send it again later.",
		}, true
	}
	return words{
		welcome:  "你好，我是你的 AI 助手。直接发消息就可以和我对话；发送 /help 查看用法。",
		thinking: "正在思考……",
		waiting:  "前面的消息还在回答，请稍候……",
		closed:   "（还在生成，写好后会单独发给您）",
		moved:    "（回答已单独发给您）",
		goesOn:   "（未完，接下一条）",
		cut:      "（回答太长，后面的内容没有显示）",
		hidden:   "（没有可显示的回答）",
		unstored: "抱歉，暂时没能收下这条消息，请稍后再发一次。",
	}, language == "zh"
}
