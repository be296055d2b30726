// The list of messages on the page: what was asked, what was answered, and what is still on its way.

import { render } from "./markdown.js";
import { errorWord, word } from "./words.js";

const isReset = (text) => /^(\/reset|\/重置|重置)$/i.test(text.trim());
const isStop = (text) => /^(\/stop|\/停止|停止)$/i.test(text.trim());

export class Talk {
  #list;
  #turns = new Map(); // by message id: {question, answer, note, text, done, el…}
  #retry;
  #changed;

  // retry(id, text) sends a message again; changed() is called after every change.
  constructor(list, { retry, changed }) {
    this.#list = list;
    this.#retry = retry;
    this.#changed = changed;
    list.addEventListener("click", (e) => this.#click(e));
  }

  get pending() { return [...this.#turns.values()].filter((t) => !t.done && !t.failed && t.kind === "ask"); }
  get open() { return [...this.#turns.entries()].filter(([, t]) => !t.done).map(([id, t]) => ({ id, text: t.text, failed: t.failed, at: t.at })); }
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

  // ask shows a message that the person sends.
  ask(id, text) {
    const t = this.#turn(id, text);
    if (!t.text) this.#question(t, text);
    t.failed = "";
    this.#state(t, t.kind === "stop" ? word("stopping") : word("sending"));
    this.#changed();
  }

  // stored: the server has it; failed: it has not, and why.
  stored(id) {
    const t = this.#turns.get(id);
    if (!t || t.done) return;
    this.#state(t, t.kind === "stop" ? word("stopping") : "");
    if (t.kind === "ask" && !t.answer) this.#think(t);
    this.#changed();
  }

  failed(id, code) {
    const t = this.#turns.get(id);
    if (!t || t.done) return;
    t.failed = code;
    t.state.className = "state bad";
    const again = document.createElement("button");
    again.type = "button";
    again.className = "again";
    again.dataset.id = id;
    again.textContent = word("retry");
    t.state.replaceChildren(errorWord(code), ...(code === "too_large" || code === "invalid" ? [] : [again]));
    this.#changed();
  }

  live(id, text) {
    const t = this.#turns.get(id) ?? this.#turn(id, "");
    if (t.done) return;
    if (!t.answer) this.#think(t);
    t.answer.classList.remove("thinking");
    t.answer.classList.add("live");
    t.answer.replaceChildren(render(text));
    this.#changed();
  }

  part(p) {
    const t = this.#turns.get(p.message) ?? this.#turn(p.message, p.question ?? "");
    if (t.parts.has(p.id)) return;
    if (p.question && !t.text) this.#question(t, p.question);
    t.parts.set(p.id, p.text);
    t.done = t.done || p.part === p.of;
    this.#state(t, "");
    const text = [...t.parts.values()].join("\n\n");
    if (t.kind === "ask") {
      if (!t.answer) this.#think(t);
      t.answer.classList.remove("thinking");
      t.answer.classList.toggle("live", !t.done);
      t.answer.replaceChildren(render(text || word("no-text")));
    } else {
      this.#state(t, t.kind === "reset" ? word("reset") : text);
    }
    this.#changed();
  }

  #turn(id, text) {
    if (this.#turns.has(id)) return this.#turns.get(id);
    const t = { text: "", kind: "ask", parts: new Map(), done: false, failed: "", at: Date.now(), el: document.createElement("li"), state: document.createElement("p") };
    t.state.className = "state";
    t.el.dataset.message = id;
    t.el.append(t.state);
    this.#list.append(t.el);
    this.#turns.set(id, t);
    if (text) this.#question(t, text);
    return t;
  }

  #question(t, text) {
    t.text = text;
    t.kind = isReset(text) ? "reset" : isStop(text) ? "stop" : "ask";
    t.el.className = t.kind;
    if (t.kind !== "ask") return;
    const q = document.createElement("div");
    q.className = "question";
    q.textContent = text;
    t.el.prepend(q);
  }

  #think(t) {
    t.answer = document.createElement("div");
    t.answer.className = "answer thinking";
    t.answer.append(Object.assign(document.createElement("span"), { className: "dots", textContent: word("thinking") }));
    t.el.append(t.answer);
  }

  #state(t, text) { t.state.className = "state"; t.state.textContent = text; }

  async #click(e) {
    const button = e.target.closest("button");
    if (button?.classList.contains("again")) {
      const t = this.#turns.get(button.dataset.id);
      if (t) this.#retry(button.dataset.id, t.text);
    }
    if (button?.classList.contains("copy")) {
      try {
        await navigator.clipboard.writeText(button.closest(".code").querySelector("pre").textContent);
        button.textContent = word("copied");
        setTimeout(() => { button.textContent = word("copy"); }, 1500);
      } catch { getSelection().selectAllChildren(button.closest(".code").querySelector("pre")); } // no clipboard on plain http: select it
    }
  }
}
