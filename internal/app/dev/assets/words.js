// The page's words; the choice of language is shared with the chat page (same key, same origin).

const zh = {
  "other-language": "English", "model": "模型", "memory": "存储", "memory-is": "内嵌 Redis",
  "memory-more": "内嵌的 Redis 只在本进程的内存里：进程结束，对话随之消失。",
  "model-simulated": "模拟模型：不需要密钥，回答由程序生成。设置环境变量 OPENAI_API_KEY（可选 OPENAI_BASE_URL）后重新运行，即可接入真实模型。",
  "model-real": "真实模型：回答来自配置的 API。",
  "chat": "网页聊天", "own-tab": "单独打开", "phone": "企业微信手机", "members": "谁拿着手机", "app": "AI 助手", "company": "示例公司 · 自建应用",
  "enter-app": "打开应用（发送 enter_agent 事件）", "type": "输入消息…", "send": "发送", "way": "一条消息的全过程", "way-short": "全过程", "model-hint": "，设置 OPENAI_API_KEY 可接入真实模型",
  "way-more": "手机上的每条消息都会被真正加密、签名，投递到客户端自己的回调地址；回复经由企业微信接口 message/send 返回。在手机上发一条试试。",
  "said": (name, text) => (text ? `${name}：${text}` : `${name} 打开了应用`),
  "sealed": "加密并签名，投递到", "accepted": "先存入 Redis，再应答", "refused": "没有被接收", "tries": (n) => `第 ${n} 次投递`, "in": "用时",
  "waiting": "等待应答…", "answering": "Dubbo → 服务端 → 模型…", "answered": "回复经 message/send 到达手机", "after": "发出后",
  "more": (n) => `分 ${n} 段送达`, "unsent": "没有发出：", "network": "连不上 Parley，它还在运行吗？", "rate_limited": "投递太多，请稍等。",
  "too_large": "文字太长：企业微信单条消息最多 2048 字节。", "commands": ["帮助", "状态", "重置", "停止"],
};

const en = {
  "other-language": "中文", "model": "Model", "memory": "Store", "memory-is": "embedded Redis",
  "memory-more": "The embedded Redis lives in this process's memory: conversations end with it.",
  "model-simulated": "Simulated model: needs no key, answers are made by the program. Set OPENAI_API_KEY (and, if needed, OPENAI_BASE_URL) and start again to talk to a real one.",
  "model-real": "A real model: answers come from the configured API.",
  "chat": "Web chat", "own-tab": "open alone", "phone": "WeCom phone", "members": "Who holds the phone", "app": "AI assistant", "company": "Example Inc. · self-built app",
  "enter-app": "Open the application (sends enter_agent)", "type": "Type a message…", "send": "Send", "way": "The way of a message", "way-short": "The way", "model-hint": ", set OPENAI_API_KEY for a real one",
  "way-more": "Every message on the phone is truly sealed, signed and posted to the client's own callback address; the reply comes back through WeCom's message/send. Send one from the phone.",
  "said": (name, text) => (text ? `${name}: ${text}` : `${name} opened the application`),
  "sealed": "Sealed, signed and posted to", "accepted": "Stored first, then answered", "refused": "Not accepted", "tries": (n) => `try ${n}`, "in": "in",
  "waiting": "Waiting for the answer…", "answering": "Dubbo → server → model…", "answered": "Reply by message/send", "after": "after",
  "more": (n) => `in ${n} pieces`, "unsent": "Not sent: ", "network": "Parley cannot be reached. Is it still running?", "rate_limited": "Too many are being posted; wait a little.",
  "too_large": "Too long: WeCom takes 2048 bytes at once.", "commands": ["/help", "/status", "/reset", "/stop"],
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
