// The page's words, Chinese or English: as the tenant has it until the person chooses. The choice is kept in this browser.

const zh = {
  "new": "新对话", "logout": "退出", "other-language": "English", "hello": "你好，有什么可以帮你？",
  "hello-more": "直接提问即可，接着问时我会记得前面的内容。",
  "ideas": ["帮我写一封请假邮件", "用三句话解释什么是消息队列", "把这句话翻译成英文：欢迎加入我们"],
  "placeholder": "输入消息，Enter 发送，Shift+Enter 换行", "placeholder-touch": "输入消息…", "send": "发送", "stop": "停止生成", "down": "回到最新消息",
  "ai-made": "内容由 AI 生成，请核对重要信息", "count": (n) => ` · 连续对话第 ${n} 轮`,
  "sign-in": "登录", "sign-in-more": "请输入管理员给你的访问口令。口令只用来换取本浏览器的登录状态，不会出现在网址里。",
  "token": "访问口令", "enter": "进入", "thinking": "正在思考", "copy": "复制", "copied": "已复制", "retry": "重试", "code": "代码",
  "sending": "发送中…", "stopping": "已请求停止", "reset": "新对话：之前的内容不再作为上下文",
  "no-text": "（没有内容）", "image": "图片", "pictures": "要发送的图片", "add-picture": "添加图片", "remove": "移除图片", "message": "消息", "messages": "对话内容",
  "copy-answer": "复制回答", "again": "重新回答", "you": "你：", "assistant": "助手：", "own-window": "在新窗口中打开",
  "state": { open: "已连接", connecting: "连接中…", lost: "连接断开，正在重连…" },
  "error": {
    network: "连不上服务器，请检查网络后重试。", unavailable: "服务暂时不可用，消息没有存下，请重试。", timeout: "服务器没有及时回应，请重试。",
    overloaded: "现在使用的人太多，请稍后重试。", rate_limited: "操作太频繁，请稍后再试。", too_large: "消息太长，请缩短或分几次发送。",
    invalid: "这条消息无法发送。", unauthenticated: "登录已失效，请重新登录。", token: "口令不正确。", forbidden: "此处不允许访问。",
    not_found: "这个聊天入口不存在或已停用。", internal: "服务出错了，请重试。", store: "暂时读不到新消息，恢复后会自动显示。",
    picture_unreadable: "这个文件不是能读取的图片，请换成 JPEG、PNG 或 WebP。", pictures_many: "一条消息最多 4 张图片。", pictures_large: "图片太大，请减少几张再发。",
    pictures_gone: "页面刷新后图片已不在，请重新添加后发送。", cookie: "浏览器没有保存登录状态：它可能不允许嵌在其他网站中的页面保存。",
  },
};

const en = {
  "new": "New chat", "logout": "Sign out", "other-language": "中文", "hello": "Hello, how can I help?",
  "hello-more": "Just ask. When you go on, I remember what was said before.",
  "ideas": ["Write a short email asking for a day off", "Explain message queues in three sentences", "Translate into Chinese: welcome aboard"],
  "placeholder": "Type a message. Enter sends, Shift+Enter breaks the line", "placeholder-touch": "Type a message…", "send": "Send", "stop": "Stop", "down": "To the newest message",
  "ai-made": "Made by AI: check what matters", "count": (n) => ` · turn ${n} of this conversation`,
  "sign-in": "Sign in", "sign-in-more": "Enter the access token from your administrator. It is only exchanged for this browser's sign-in and never part of an address.",
  "token": "Access token", "enter": "Enter", "thinking": "Thinking", "copy": "Copy", "copied": "Copied", "retry": "Retry", "code": "Code",
  "sending": "Sending…", "stopping": "Asked to stop", "reset": "New conversation: what was said before is no longer context",
  "no-text": "(empty)", "image": "Picture", "pictures": "Pictures to send", "add-picture": "Add pictures", "remove": "Remove the picture", "message": "Message", "messages": "Conversation",
  "copy-answer": "Copy", "again": "Answer again", "you": "You:", "assistant": "Assistant:", "own-window": "Open in a window of its own",
  "state": { open: "Connected", connecting: "Connecting…", lost: "Connection lost, coming back…" },
  "error": {
    network: "The server cannot be reached. Check the network and try again.", unavailable: "The service is unavailable; the message was not stored. Try again.",
    timeout: "The server did not answer in time. Try again.", overloaded: "Too many people are asking right now. Try again later.",
    rate_limited: "Too often. Try again later.", too_large: "The message is too long. Shorten it or send it in pieces.", invalid: "This message cannot be sent.",
    unauthenticated: "You are signed out. Sign in again.", token: "The token is not valid.", forbidden: "This is not allowed here.",
    not_found: "This chat does not exist or was closed.", internal: "The service failed. Try again.", store: "New messages cannot be read right now; they will appear by themselves.",
    picture_unreadable: "This file is not a picture that can be read. Use JPEG, PNG or WebP.", pictures_many: "A message has at most 4 pictures.",
    pictures_large: "The pictures are too large. Send fewer.", pictures_gone: "The page was loaded anew and its pictures are gone. Add them again.",
    cookie: "Your browser did not keep the sign-in: it may not allow that for a page within another site.",
  },
};

const key = "parley.language";
const preset = document.body.dataset.language === "en" ? "en" : "zh"; // the tenant's, until the person chooses
let chosen = zh;

export function word(name) { return chosen[name] ?? name; }
export function errorWord(code) { return chosen.error[code] ?? chosen.error.internal; }
export function stateWord(state) { return chosen.state[state]; }
export function english() { return chosen === en; }

// useLanguage applies the kept language, or sets it, to every marked element.
export function useLanguage(set) {
  try {
    if (set) localStorage.setItem(key, set);
    set = localStorage.getItem(key);
  } catch { /* storage may be forbidden */ }
  chosen = (set ?? preset) === "en" ? en : zh;
  document.documentElement.lang = english() ? "en" : "zh-CN";
  for (const el of document.querySelectorAll("[data-word]")) el.textContent = word(el.dataset.word);
  for (const el of document.querySelectorAll("[data-word-placeholder]")) {
    const touch = `${el.dataset.wordPlaceholder}-touch`; // a phone has no Shift+Enter to speak of
    el.placeholder = word(touch in chosen && matchMedia("(hover: none), (max-width: 600px)").matches ? touch : el.dataset.wordPlaceholder);
  }
  for (const el of document.querySelectorAll("[data-word-label]")) {
    el.setAttribute("aria-label", word(el.dataset.wordLabel));
    el.title = word(el.dataset.wordLabel);
  }
}

// onLanguage calls back when another page of this origin changed the language.
export function onLanguage(f) { addEventListener("storage", (e) => { if (e.key === key) f(); }); }
