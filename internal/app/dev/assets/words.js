// The page's words; the choice of language is shared with the chat page (same key, same origin).

const zh = {
  "other-language": "English", "model": "模型", "memory": "存储", "memory-is": "内嵌 Redis",
  "memory-more": "内嵌的 Redis 只在本进程的内存里：进程结束，对话随之消失。",
  "model-simulated": "模拟模型：不需要密钥，回答由程序生成。设置环境变量 OPENAI_API_KEY（可选 OPENAI_BASE_URL）后重新运行，即可接入真实模型。",
  "model-real": "真实模型：回答来自配置的 API。",
  "chat": "网页聊天", "own-tab": "单独打开", "phone": "手机", "devices": "聊天渠道",
  "kind-wecom": "企业微信应用", "kind-wecombot": "智能机器人", "kind-wecomkf": "微信客服", "kind-dingtalk": "钉钉", "kind-feishu": "飞书", "kind-api": "API",
  "company-wecom": "企业微信 · 自建应用", "company-wecombot": "企业微信 · 智能机器人", "company-wecomkf": "微信 · 示例公司客服", "company-dingtalk": "钉钉 · 机器人（AI 卡片）", "company-feishu": "飞书 · 机器人（流式卡片）",
  "api": "OpenAI 兼容接口", "copy": "复制", "copied": "已复制", "api-run": "运行", "api-question": "用一句话介绍你自己",
  "api-more": "程序像调用 OpenAI 一样调用它：同样的路径、请求和错误格式，官方 SDK 只需改 base_url 和密钥。无状态：对话内容由程序自己带上。",
  "api-figures": (first, all, input, output) => `首字 ${first} · 全部 ${all} · 输入 ${input} 个 token，输出 ${output} 个`, "members": "谁拿着手机", "app": "AI 助手", 
  "enter-app": "打开会话（发送进入事件）", "type": "输入消息…", "send": "发送", "way": "一条消息的全过程", "way-short": "全过程", "model-hint": "，设置 OPENAI_API_KEY 可接入真实模型",
  "way-more": "手机上的每条消息都会像真正的平台那样加密或签名，投递到客户端自己的回调地址；回复经由该平台自己的接口返回。在手机上发一条试试。",
  "said": (name, text) => (text ? `${name}：${text}` : `${name} 打开了应用`),
  "sealed": "加密并签名，投递到", "signed": "签名，投递到", "accepted": "先存入 Redis，再应答", "refused": "没有被接收", "tries": (n) => `第 ${n} 次投递`, "in": "用时",
  "waiting": "等待应答…", "answering": "Dubbo → 服务端 → 模型…", "answered": (way) => `回复经 ${way} 到达手机`, "growing": (way) => `经 ${way} 逐步显示…`, "first": "首字", "after": "发出后",
  "more": (n) => `分 ${n} 段送达`, "unsent": "没有发出：", "network": "连不上 Parley，它还在运行吗？", "rate_limited": "投递太多，请稍等。",
  "too_large": "文字太长：超过这个平台单条消息的上限。", "commands": ["帮助", "状态", "重置", "停止"],
  "switch": "运维开关", "switch-short": "开关", "record": "记录", "output": "命令的输出", "audit": "审计记录", "answers": "最近的回答", "reason": "原因", "reason-hint": "写进审计记录，可不填",
  "reason-default": "在 parley dev 的页面上切换", "degrade-to": (name) => `降级到 ${name}`, "degrade-more": (provider) => `parley degrade --to ${provider}`, "restore-to": "恢复", "restore-more": (name) => `parley restore：所有对话立即回到 ${name}`, "restore-ramp": "逐步恢复", "ramp-more": "parley restore --ramp 1m：在 1 分钟内，对话一个接一个地回去", "break": "让它出错", "mend": "让它恢复正常",
  "simulated": "模拟", "real": "真实", "answers-now": "正在回答", "broken": "只返回错误", "avoided": "熔断：暂不调用", "keyless": "没有可用的密钥", "key-hint": (key) => `设置 ${key} 后由真正的模型回答`,
  "now-normal": (name) => `现在由 ${name} 回答，没有切换。`, "now-switched": (name, why) => `已切换：现在由 ${name} 回答${why ? `。原因：${why}` : "。"}`,
  "now-fallback": (first, name) => `${first} 出错，${name} 自动接替；没有人工切换，恢复后自动回到 ${first}。`, "now-ramp": (share, name, first) => `正在逐步恢复：还有 ${share} 的对话由 ${name} 回答，其余已回到 ${first}。`,
  "now-nobody": "现在没有模型能回答。", "now-waits": (name) => `已切换到 ${name}，但它出错，由路由中的下一个接替。`,
  "document-none": "parley-degradation：还没有发布过", "document-is": (revision, at) => `服务端生效的版本 ${revision}，自 ${at}`, "in-force": (time) => `从点击到生效 ${time}`, "document-refused": (why) => `最新的文档被拒绝，仍用上一版：${why}`,
  "last": (by, at, took) => `最近一次回答：${by} · ${at} · ${took}`, "last-none": "还没有回答。发一条消息，看看是谁答的。", "by-degraded": "人工切换", "by-fallback": "自动接替", "by-nobody": (kind) => `没有答成（${kind}）`,
  "read-only": (config) => `这里用的是你自己的配置和动态文档：页面只显示，绝不改写。要切换请运行 parley degrade --config ${config} --to 供应商，它写入你的动态文档，用同一文档的服务端都会切换。`,
  "terminal": (config) => `终端里是同一个开关：parley degrade --config ${config} --to chatglm`, "routes": "路由", "entries": "入口", "entries-more": "这些是你自己的租户的渠道。网页直接打开；其余是聊天平台要投递到的回调地址。模拟的手机只属于内嵌的演示租户，这里没有。", "nothing-yet": "还没有操作过。", "refused-act": "没有切换：", "waiting-act": "正在切换…",
};

const en = {
  "other-language": "中文", "model": "Model", "memory": "Store", "memory-is": "embedded Redis",
  "memory-more": "The embedded Redis lives in this process's memory: conversations end with it.",
  "model-simulated": "Simulated model: needs no key, answers are made by the program. Set OPENAI_API_KEY (and, if needed, OPENAI_BASE_URL) and start again to talk to a real one.",
  "model-real": "A real model: answers come from the configured API.",
  "chat": "Web chat", "own-tab": "open alone", "phone": "Phone", "devices": "Channels",
  "kind-wecom": "WeCom app", "kind-wecombot": "WeCom AI bot", "kind-wecomkf": "WeChat service", "kind-dingtalk": "DingTalk", "kind-feishu": "Feishu", "kind-api": "API",
  "company-wecom": "WeCom · self-built app", "company-wecombot": "WeCom · AI bot", "company-wecomkf": "WeChat · customer service", "company-dingtalk": "DingTalk · robot (AI card)", "company-feishu": "Feishu · bot (streaming card)",
  "api": "OpenAI-compatible API", "copy": "Copy", "copied": "Copied", "api-run": "Run", "api-question": "Introduce yourself in one sentence",
  "api-more": "Programs call it as they call OpenAI: the same paths, requests and errors; the official SDKs need another base_url and key only. It is stateless: a program brings its dialog along.",
  "api-figures": (first, all, input, output) => `first text ${first} · all ${all} · ${input} tokens in, ${output} out`, "members": "Who holds the phone", "app": "AI assistant", 
  "enter-app": "Open the chat (sends the event)", "type": "Type a message…", "send": "Send", "way": "The way of a message", "way-short": "The way", "model-hint": ", set OPENAI_API_KEY for a real one",
  "way-more": "Every message on a phone is sealed or signed as its platform does it, and posted to the client's own callback address; the reply comes back through the platform's own calls. Send one from the phone.",
  "said": (name, text) => (text ? `${name}: ${text}` : `${name} opened the application`),
  "sealed": "Sealed, signed and posted to", "signed": "Signed and posted to", "accepted": "Stored first, then answered", "refused": "Not accepted", "tries": (n) => `try ${n}`, "in": "in",
  "waiting": "Waiting for the answer…", "answering": "Dubbo → server → model…", "answered": (way) => `Reply by ${way}`, "growing": (way) => `Growing by ${way}…`, "first": "first text", "after": "after",
  "more": (n) => `in ${n} pieces`, "unsent": "Not sent: ", "network": "Parley cannot be reached. Is it still running?", "rate_limited": "Too many are being posted; wait a little.",
  "too_large": "Too long: the platform does not take so much at once.", "commands": ["/help", "/status", "/reset", "/stop"],
  "switch": "Operator's switch", "switch-short": "Switch", "record": "Record", "output": "What the command says", "audit": "Audit record", "answers": "Latest answers", "reason": "Reason", "reason-hint": "for the audit record; may be empty",
  "reason-default": "switched on the page of parley dev", "degrade-to": (name) => `Degrade to ${name}`, "degrade-more": (provider) => `parley degrade --to ${provider}`, "restore-to": "Restore", "restore-more": (name) => `parley restore: every conversation goes back to ${name} at once`, "restore-ramp": "By ramp", "ramp-more": "parley restore --ramp 1m: conversations go back one after the other within a minute", "break": "Make it fail", "mend": "Make it work",
  "simulated": "simulated", "real": "real", "answers-now": "answers now", "broken": "errors only", "avoided": "breaker open: not called", "keyless": "no usable key", "key-hint": (key) => `set ${key} to have the real one answer`,
  "now-normal": (name) => `${name} answers; nothing is switched.`, "now-switched": (name, why) => `Switched: ${name} answers${why ? `. Reason: ${why}` : "."}`,
  "now-fallback": (first, name) => `${first} fails, ${name} takes over by itself; nobody switched anything, and ${first} returns when it works.`, "now-ramp": (share, name, first) => `Restoring by share: ${share} of the conversations still go to ${name}, the others are back at ${first}.`,
  "now-nobody": "No model can answer now.", "now-waits": (name) => `Switched to ${name}, but it fails: the next of the route takes over.`,
  "document-none": "parley-degradation: never published", "document-is": (revision, at) => `In force on the server: revision ${revision}, since ${at}`, "in-force": (time) => `${time} from click to in force`, "document-refused": (why) => `The newest document is refused, the one before stays: ${why}`,
  "last": (by, at, took) => `Latest answer: ${by} · ${at} · ${took}`, "last-none": "No answer yet. Send a message and see who gives it.", "by-degraded": "by switch", "by-fallback": "by fallback", "by-nobody": (kind) => `no answer (${kind})`,
  "read-only": (config) => `These are your own configuration and live documents: the page shows them and never writes them. To switch, run parley degrade --config ${config} --to PROVIDER; it writes your live document, and every server on it switches.`,
  "terminal": (config) => `The same switch from a terminal: parley degrade --config ${config} --to chatglm`, "routes": "Routes", "entries": "Ways in", "entries-more": "These are the channels of your own tenants. Pages open here; the others are the callback addresses that chat platforms post to. The simulated phones belong to the embedded demo tenant only.", "nothing-yet": "Nothing was done yet.", "refused-act": "Not switched: ", "waiting-act": "Switching…",
};

const key = "parley.language";
let chosen = zh;

export function word(name) { return chosen[name] ?? name; }
export function english() { return chosen === en; }

export function useLanguage(set) {
  try {
    if (set) localStorage.setItem(key, set);
    chosen = localStorage.getItem(key) === "en" ? en : zh;
  } catch { chosen = set === "en" ? en : zh; } // storage may be forbidden
  document.documentElement.lang = english() ? "en" : "zh-CN";
  for (const el of document.querySelectorAll("[data-word]")) el.textContent = word(el.dataset.word);
  for (const el of document.querySelectorAll("[data-word-placeholder]")) el.placeholder = word(el.dataset.wordPlaceholder);
  for (const el of document.querySelectorAll("[data-word-title]")) el.title = word(el.dataset.wordTitle);
}

// onLanguage calls back when the chat page beside this one changed the language.
export function onLanguage(f) { addEventListener("storage", (e) => { if (e.key === key) f(); }); }
