// Wires the page: sign-in, composer, stream and list.

import { Stream, newID, post } from "./stream.js";
import { Talk } from "./talk.js";
import { english, errorWord, onLanguage, stateWord, useLanguage, word } from "./words.js";

const $ = (id) => document.getElementById(id);
const base = document.body.dataset.base;
const tokens = document.body.dataset.access === "token";
const kept = `parley.open.${base}`;

const talk = new Talk($("list"), { retry: (id, text) => send(id, text), changed });
let ready = false; // what was finished before is shown

const stream = new Stream(base, {
  part: (p) => { trouble(""); talk.part(p); },
  live: (l) => talk.live(l.message, l.text),
  ready: () => { trouble(""); if (!ready) { ready = true; restore(); follow(true); } changed(); },
  trouble: () => trouble("store"),
  state: (s) => { $("link").dataset.state = s; $("link").textContent = stateWord(s); $("link").title = stateWord(s); },
  refused: (code) => { if (code === "unauthenticated") door(); else trouble(code); },
});

// A message that is not answered yet is in no part: it is kept in this tab, so that a reload still shows it.
function keep() {
  try { sessionStorage.setItem(kept, JSON.stringify(talk.open)); } catch { /* storage may be forbidden */ }
}
function restore() {
  let list = [];
  try { list = JSON.parse(sessionStorage.getItem(kept) ?? "[]"); } catch { /* nothing kept */ }
  for (const { id, text, failed, at } of list) {
    // The server knows an id for a day; what is older could be asked twice.
    if (!text || talk.answered(id) || Date.now() - at > 6 * 3600 * 1000) continue;
    talk.ask(id, text);
    if (failed) talk.failed(id, failed); else send(id, text); // the same id again is stored once
  }
}

async function send(id, text) {
  talk.ask(id, text);
  follow(true);
  const code = await post(`${base}/messages`, { id, text });
  if (code) talk.failed(id, code); else talk.stored(id);
  if (code === "unauthenticated") door();
}

function submit(text) {
  if (!text.trim()) return;
  send(newID(), text.trim());
}

function changed() {
  const busy = talk.pending.length > 0;
  const empty = talk.size === 0;
  $("empty").hidden = !(ready && empty);
  $("reset").hidden = empty;
  $("stop").hidden = !busy;
  $("send").hidden = busy && !$("text").value.trim();
  $("send").disabled = !$("text").value.trim();
  const n = talk.rounds;
  $("count").textContent = n > 0 ? word("count")(n) : "";
  if (ready) keep();
  follow(false);
}

// follow keeps the newest text in sight, unless the person scrolled up to read.
let pinned = true;
function follow(force) {
  if (force) pinned = true;
  if (pinned) $("scroll").scrollTop = $("scroll").scrollHeight;
  $("down").hidden = pinned;
}
$("scroll").addEventListener("scroll", () => {
  const s = $("scroll");
  pinned = s.scrollHeight - s.scrollTop - s.clientHeight < 80;
  $("down").hidden = pinned;
}, { passive: true });
$("down").addEventListener("click", () => follow(true));

function trouble(code) {
  $("trouble").hidden = !code;
  $("trouble").textContent = code ? errorWord(code) : "";
}

function grow() {
  const t = $("text");
  t.style.height = "auto"; // through the object model: a style attribute would be refused
  t.style.height = `${Math.min(t.scrollHeight, 200)}px`;
  changed();
}
$("text").addEventListener("input", grow);
$("text").addEventListener("keydown", (e) => {
  // While an input method composes, Enter chooses a candidate (229 is what older browsers say then).
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing && e.keyCode !== 229) { e.preventDefault(); $("composer").requestSubmit(); }
});
$("composer").addEventListener("submit", (e) => {
  e.preventDefault();
  submit($("text").value);
  $("text").value = "";
  grow();
  $("text").focus();
});
$("stop").addEventListener("click", () => submit("/stop"));
$("reset").addEventListener("click", () => { submit("/reset"); $("text").focus(); });

function ideas() {
  $("ideas").replaceChildren(...word("ideas").map((text) => {
    const b = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    b.addEventListener("click", () => submit(text));
    return b;
  }));
}

function language(set) {
  useLanguage(set);
  ideas();
  $("link").textContent = stateWord($("link").dataset.state);
  changed();
}
$("language").addEventListener("click", () => language(english() ? "zh" : "en"));
onLanguage(() => language());

// door asks for the token; room shows the chat.
function door() {
  stream.close();
  $("chat").hidden = true;
  $("door").hidden = false;
  $("reset").hidden = $("logout").hidden = $("link").hidden = true;
  $("token").focus();
}
function room() {
  $("door").hidden = true;
  $("chat").hidden = false;
  $("link").hidden = false;
  $("logout").hidden = !tokens;
  stream.open();
  if (matchMedia("(hover: hover)").matches) $("text").focus();
}
$("login").addEventListener("submit", async (e) => {
  e.preventDefault();
  const code = await post(`${base}/login`, { token: $("token").value });
  $("login-error").hidden = !code;
  if (code) { $("login-error").textContent = errorWord(code === "unauthenticated" ? "token" : code); return; }
  $("token").value = "";
  fresh();
  room();
});
$("logout").addEventListener("click", async () => {
  const code = await post(`${base}/logout`, {});
  if (code) { trouble(code); return; }
  fresh();
  door();
});

// fresh forgets the person before: another sign-in is another conversation.
function fresh() {
  stream.forget();
  ready = false;
  talk.clear();
  try { sessionStorage.removeItem(kept); } catch { /* nothing kept */ }
}

language();
if (tokens && document.body.dataset.signedIn !== "true") door(); else room();
