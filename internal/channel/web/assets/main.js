// Wires the page: sign-in, composer, stream and list.

import { Pictures, imagesOf } from "./pictures.js";
import { follow, startScroll } from "./scroll.js";
import { Stream, newID, post, signedIn } from "./stream.js";
import { Talk } from "./talk.js";
import { english, errorWord, onLanguage, stateWord, useLanguage, word } from "./words.js";

const $ = (id) => document.getElementById(id);
const base = document.body.dataset.base;
const tokens = document.body.dataset.access === "token";
const kept = `parley.open.${base}`;
const draft = `parley.draft.${base}`;

const talk = new Talk($("list"), {
  retry: (id, text, pictures) => send(id, text, pictures),
  again: (text, pictures) => send(newID(), text, pictures),
  said: (text) => { $("said").textContent = text; },
  changed,
});
const pictures = new Pictures($("pictures"), (code) => { trouble(code); changed(); });
let ready = false; // what was finished before is shown

const stream = new Stream(base, {
  part: (p) => { trouble(""); talk.part(p); },
  live: (l) => talk.live(l.message, l.text),
  ready: () => { trouble(""); if (!ready) { ready = true; restore(); follow(true); } changed(); },
  trouble: () => trouble("store"),
  state: (s) => { $("link").dataset.state = s; $("link").textContent = stateWord(s); $("link").title = stateWord(s); },
  refused: (code) => { if (code === "unauthenticated") door(); else trouble(code); },
});

// storage may be forbidden, or full; the page works without.
function store(key, value) { try { if (value) sessionStorage.setItem(key, value); else sessionStorage.removeItem(key); } catch { /* as said */ } }
function stored(key) { try { return sessionStorage.getItem(key) ?? ""; } catch { return ""; } }

// A message that is not answered yet is in no part: it is kept in this tab, so that a reload still shows it.
function restore() {
  let list = [];
  try { list = JSON.parse(stored(kept) || "[]"); } catch { /* nothing kept */ }
  for (const { id, text, images = 0, stored: there, failed, at } of list) {
    // The server knows an id for a day; what is older could be asked twice.
    if ((!text && !images) || talk.answered(id) || Date.now() - at > 6 * 3600 * 1000) continue;
    talk.ask(id, text, [], images);
    if (failed) talk.failed(id, images ? "pictures_gone" : failed);
    else if (!images) send(id, text); // the same id again is stored once
    else if (there) talk.stored(id);
    else talk.failed(id, "pictures_gone"); // perhaps it was sent, perhaps not; its pictures are here no more
  }
}

async function send(id, text, added = []) {
  talk.ask(id, text, added);
  follow(true);
  const code = await post(`${base}/messages`, { id, text, images: added.length ? added.map(({ data }) => ({ data })) : undefined });
  if (!code) { talk.stored(id); return; }
  talk.failed(id, code === "too_large" && added.length ? "pictures_large" : code);
  if (code !== "unauthenticated") return;
  if (!$("text").value) { $("text").value = text; store(draft, text); } // signing in begins another list
  door();
}

function submit(text) {
  text = text.trim();
  if (pictures.busy || (!text && !pictures.count)) return false;
  send(newID(), text, pictures.take());
  return true;
}

function changed() {
  const busy = talk.pending.length > 0;
  const empty = talk.size === 0;
  const something = Boolean($("text").value.trim()) || pictures.count > 0;
  $("empty").hidden = !(ready && empty);
  $("reset").hidden = empty;
  $("stop").hidden = !busy;
  $("send").hidden = busy && !something;
  $("send").disabled = !something || pictures.busy;
  $("add").disabled = pictures.count >= 4;
  const n = talk.rounds;
  $("count").textContent = n > 0 ? word("count")(n) : "";
  if (ready) store(kept, talk.open.length ? JSON.stringify(talk.open) : "");
  follow(false);
}

function trouble(code) {
  $("trouble").hidden = !code;
  $("trouble").textContent = code ? errorWord(code) : "";
}

function grow() {
  const t = $("text");
  t.style.height = "auto"; // through the object model: a style attribute would be refused
  t.style.height = `${Math.min(t.scrollHeight, 200)}px`;
  store(draft, t.value);
  changed();
}

function composer() {
  $("text").addEventListener("input", grow);
  $("text").addEventListener("keydown", (e) => {
    // While an input method composes, Enter chooses a candidate (229 is what older browsers say then).
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing && e.keyCode !== 229) { e.preventDefault(); $("composer").requestSubmit(); }
  });
  $("composer").addEventListener("submit", (e) => {
    e.preventDefault();
    if (!submit($("text").value)) return;
    $("text").value = "";
    grow();
    $("text").focus();
  });
  $("stop").addEventListener("click", () => { send(newID(), "/stop"); $("text").focus(); });
  $("reset").addEventListener("click", () => { send(newID(), "/reset"); $("text").focus(); });
  $("ideas").addEventListener("click", (e) => { if (e.target.closest("button")) submit(e.target.closest("button").textContent); });
  $("add").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => { pictures.add([...$("file").files]); $("file").value = ""; });
  $("text").addEventListener("paste", (e) => {
    const files = imagesOf(e.clipboardData);
    if (!files.length || e.clipboardData.types.includes("text/plain")) return; // a table is pasted as its text, not as its picture
    e.preventDefault();
    pictures.add(files);
  });
  drop($("chat"));
}

function drop(area) {
  const over = (on) => area.classList.toggle("over", on);
  area.addEventListener("dragover", (e) => { if (e.dataTransfer.types.includes("Files")) { e.preventDefault(); over(true); } });
  area.addEventListener("dragleave", (e) => { if (!area.contains(e.relatedTarget)) over(false); });
  area.addEventListener("drop", (e) => {
    if (!e.dataTransfer.types.includes("Files")) return;
    e.preventDefault(); // the browser would leave the page for the file
    over(false);
    const files = imagesOf(e.dataTransfer);
    if (files.length) pictures.add(files); else trouble("picture_unreadable");
  });
}

const ownIdeas = $("ideas").children.length > 0; // the tenant's

function language(set) {
  useLanguage(set);
  if (!ownIdeas) $("ideas").replaceChildren(...word("ideas").map((text) => Object.assign(document.createElement("button"), { type: "button", textContent: text })));
  pictures.name(word("remove"));
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
  grow();
}
$("login").addEventListener("submit", async (e) => {
  e.preventDefault();
  let code = await post(`${base}/login`, { token: $("token").value });
  if (code === "unauthenticated") code = "token";
  else if (!code && !(await signedIn(base))) code = "cookie"; // within another site's page some browsers keep none
  $("login-error").hidden = !code;
  $("own-window").hidden = code !== "cookie";
  if (code) { $("login-error").textContent = errorWord(code); return; }
  $("token").value = "";
  fresh();
  room();
});
$("own-window").href = base;
$("logout").addEventListener("click", async () => {
  const code = await post(`${base}/logout`, {});
  if (code) { trouble(code); return; }
  $("text").value = "";
  pictures.take();
  store(draft, "");
  fresh();
  door();
});

// fresh forgets the person before: another sign-in is another conversation.
function fresh() {
  stream.forget();
  ready = false;
  talk.clear();
  store(kept, "");
}

startScroll();
composer();
$("text").value = stored(draft);
language();
if (tokens && document.body.dataset.signedIn !== "true") door(); else room();
