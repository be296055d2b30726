// The list of messages on the page: what was asked, what was answered, and what is still on its way.

import { show } from "./markdown.js";
import { errorWord, word } from "./words.js";

const isReset = (text) => /^(\/reset|\/重置|重置)$/i.test(text.trim());
const isStop = (text) => /^(\/stop|\/停止|停止)$/i.test(text.trim());
const make = (name, className, text) => Object.assign(document.createElement(name), { className, ...(text === undefined ? {} : { textContent: text }) });

export class Talk {
  #list;
  #turns = new Map(); // by message id
  #retry;
  #again;
  #changed;
  #said;
  #waiting = null; // live text that is not drawn yet
  #timer = 0;

  // retry(id, text, pictures) sends a message once more, again(text, pictures) asks anew; said(text) is read aloud; changed() follows every change.
  constructor(list, { retry, again, said, changed }) {
    this.#list = list;
    this.#retry = retry;
    this.#again = again;
    this.#said = said;
    this.#changed = changed;
    list.addEventListener("click", (e) => this.#click(e));
  }

  get pending() { return [...this.#turns.values()].filter((t) => !t.done && !t.failed && t.kind === "ask"); }
  get open() {
    return [...this.#turns.entries()].filter(([, t]) => !t.done)
      .map(([id, t]) => ({ id, text: t.text, images: t.images, stored: t.stored, failed: t.failed, at: t.at }));
  }
  get size() { return this.#turns.size; }
  answered(id) { return this.#turns.get(id)?.done ?? false; }

  // rounds counts the answered questions since the last new conversation.
  get rounds() {
    let n = 0;
    for (const t of this.#turns.values()) {
      if (t.kind === "reset" && t.done) n = 0;
      else if (t.kind === "ask" && t.done) n++;
    }
    return n;
  }

  clear() { this.#turns.clear(); this.#list.replaceChildren(); this.#changed(); }

  // ask shows a message that the person sends, with its pictures, or how many it had.
  ask(id, text, pictures = [], images = pictures.length) {
    const t = this.#turns.get(id) ?? this.#turn(id);
    if (!t.asked) { t.pictures = pictures; this.#question(t, text, images); }
    t.failed = "";
    this.#state(t, t.kind === "stop" ? word("stopping") : word("sending"));
    this.#changed();
  }

  // stored: the server has it; failed: it has not, and why.
  stored(id) {
    const t = this.#turns.get(id);
    if (!t || t.done) return;
    t.stored = true;
    this.#state(t, t.kind === "stop" ? word("stopping") : "");
    if (t.kind === "ask" && !t.answer) this.#think(t);
    this.#changed();
  }

  failed(id, code) {
    const t = this.#turns.get(id);
    if (!t || t.done) return;
    t.failed = code;
    t.state.className = "state bad";
    const again = make("button", "again", word("retry"));
    again.type = "button";
    const hopeless = ["too_large", "invalid", "pictures_gone", "pictures_large"].includes(code);
    t.state.replaceChildren(errorWord(code), ...(hopeless ? [] : [again]));
    this.#said(errorWord(code));
    this.#changed();
  }

  // live shows the text so far. A long one takes time to draw: then it is drawn as often as leaves time for other things.
  live(id, text) {
    this.#waiting = { id, text };
    if (!this.#timer) this.#draw();
  }

  #draw() {
    const { id, text } = this.#waiting ?? {};
    this.#timer = 0;
    this.#waiting = null;
    if (id === undefined) return;
    const t = this.#turns.get(id) ?? this.#turn(id);
    if (t.done) return;
    const began = performance.now();
    if (!t.answer) this.#think(t);
    if (t.answer.classList.contains("thinking")) { t.answer.className = "answer live"; t.answer.replaceChildren(); }
    show(t.answer, text);
    this.#changed();
    this.#timer = setTimeout(() => this.#draw(), 4 * (performance.now() - began));
  }

  part(p) {
    const t = this.#turns.get(p.message) ?? this.#turn(p.message);
    if (t.parts.has(p.id)) return;
    if (!t.asked) this.#question(t, p.question ?? "", p.images ?? 0);
    t.parts.set(p.id, p.text);
    t.done = t.done || p.part === p.of;
    this.#state(t, "");
    t.raw = [...t.parts.values()].join("\n\n");
    if (t.kind === "ask") this.#answer(t);
    else this.#state(t, t.kind === "reset" ? word("reset") : t.raw);
    this.#changed();
  }

  #answer(t) {
    const watched = t.answer !== null; // else it is history
    if (!t.answer) this.#think(t);
    if (t.answer.classList.contains("thinking")) t.answer.replaceChildren();
    t.answer.className = t.done ? "answer" : "answer live";
    show(t.answer, t.raw || word("no-text"));
    if (!t.done) return;
    t.answer.removeAttribute("aria-busy");
    if (watched) this.#said(t.answer.textContent.slice(0, 1500));
    const acts = make("p", "acts");
    const copy = Object.assign(make("button", "copy whole", word("copy-answer")), { type: "button" });
    const redo = Object.assign(make("button", "redo", word("again")), { type: "button", hidden: t.images > t.pictures.length });
    acts.append(copy, redo);
    t.el.append(acts);
  }

  #turn(id) {
    const t = {
      text: "", raw: "", kind: "ask", asked: false, images: 0, pictures: [], parts: new Map(), answer: null, done: false, stored: false, failed: "", at: Date.now(),
      el: make("li", "ask"), state: make("p", "state"),
    };
    t.el.dataset.message = id;
    t.el.append(t.state);
    this.#list.append(t.el);
    this.#turns.set(id, t);
    return t;
  }

  #question(t, text, images) {
    if (!text && !images) return;
    t.asked = true;
    t.text = text;
    t.images = images;
    t.kind = images ? "ask" : isReset(text) ? "reset" : isStop(text) ? "stop" : "ask";
    t.el.className = t.kind;
    if (t.kind !== "ask") return;
    const head = [make("span", "unseen", word("you"))];
    if (t.pictures.length) {
      const row = make("div", "thumbs");
      for (const { thumb } of t.pictures) {
        thumb.setAttribute("role", "img");
        thumb.setAttribute("aria-label", word("image"));
        row.append(thumb);
      }
      head.push(row);
    } else if (images) {
      head.push(make("div", "gone", `[${word("image")}]`.repeat(images)));
    }
    if (text) head.push(make("div", "question", text));
    t.el.prepend(...head);
  }

  #think(t) {
    t.answer = make("div", "answer thinking");
    t.answer.setAttribute("aria-busy", "true");
    t.answer.append(make("span", "dots", word("thinking")));
    t.el.append(make("span", "unseen", word("assistant")), t.answer);
    if (t.stored) this.#said(word("thinking"));
  }

  #state(t, text) { t.state.className = "state"; t.state.textContent = text; }

  #click(e) {
    const button = e.target.closest("button");
    const id = button?.closest("li[data-message]")?.dataset.message;
    const t = this.#turns.get(id);
    if (!t) return;
    if (button.classList.contains("again")) this.#retry(id, t.text, t.pictures);
    else if (button.classList.contains("redo")) this.#again(t.text, t.pictures);
    else if (button.classList.contains("whole")) copy(button, t.raw, t.answer);
    else if (button.classList.contains("copy")) {
      const pre = button.closest(".code").querySelector("pre");
      copy(button, pre.textContent, pre);
    }
  }
}

// copy puts text on the clipboard. On plain http there is none for pages: then what shows it is selected, for the person's own keys.
async function copy(button, text, shown) {
  const name = button.textContent;
  try { await navigator.clipboard.writeText(text); } catch {
    getSelection().selectAllChildren(shown);
    if (!document.execCommand("copy")) return;
    getSelection().removeAllRanges();
  }
  if (name === word("copied")) return;
  button.textContent = word("copied");
  setTimeout(() => { button.textContent = name; }, 1500);
}
