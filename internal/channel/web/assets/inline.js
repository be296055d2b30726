// Marks within a line: `code`, **bold**, *emphasis*, ~~struck~~, [text](address), ![image](address), bare addresses, <br> and \escapes. One pass in
// linear time, whatever the text holds: every search remembers how far it got, and what is open at once is bounded.

import { word } from "./words.js";

const elements = { "**": "strong", "*": "em", "~~": "del" };
const longest = { label: 1000, address: 2000, title: 500 };
const stop = /[\s<>"'`，。；：！？、（）《》「」“”]/u;

// inline appends text to el as nodes; with links false, what looks like one stays text.
export function inline(el, text, links = true) {
  const s = new Scanner(text, el, links);
  s.run();
  return el;
}

class Scanner {
  #found = new Map(); // how far each search got: it is asked with rising places only

  constructor(text, el, links) {
    this.text = text;
    this.links = links;
    this.stack = [{ mark: "", nodes: el }];
    this.at = 0; // all before it is appended
    this.i = 0;
  }

  run() {
    const special = /[`*~[!\\<]|https?:\/\//gi;
    while (this.i < this.text.length) {
      special.lastIndex = this.i;
      const m = special.exec(this.text);
      if (!m) break;
      this.i = m.index;
      this.#step(m[0]);
    }
    this.#flush(this.text.length);
    while (this.stack.length > 1) this.#unopen();
  }

  #step(c) {
    const { text, i } = this;
    switch (c) {
      case "`": return this.#code();
      case "*": return this.#emphasis(text[i + 1] === "*" && !(text[i + 2] === "*" && this.stack[this.stack.length - 1].mark === "*") ? "**" : "*");
      case "~": return text[i + 1] === "~" ? this.#emphasis("~~") : this.#skip();
      case "!": return text[i + 1] === "[" ? this.#link(i + 1) : this.#skip();
      case "[": return this.#link(i);
      case "\\": return /[!-/:-@[-`{-~]/.test(text[i + 1] ?? "") ? this.#escape() : this.#skip();
      case "<": return this.#break();
      default: return this.#address(c);
    }
  }

  #skip(n = 1) { this.i += n; }
  #append(node) { this.stack[this.stack.length - 1].nodes.append(node); }
  #flush(to) { if (to > this.at) this.#append(this.text.slice(this.at, to)); }
  // replace appends node in place of the text from i to end.
  #replace(node, end) { this.#flush(this.i); if (node) this.#append(node); this.at = this.i = end; }

  // next finds what at or after from; it is asked with rising places only, so that all its searches together read the text once.
  #next(what, from) {
    let at = this.#found.get(what);
    if (at === undefined || (at !== -1 && at < from)) this.#found.set(what, at = this.text.indexOf(what, from));
    return at;
  }

  #escape() { this.#flush(this.i); this.at = this.i + 1; this.i += 2; }

  #break() {
    const m = /^<br ?\/?>/i.exec(this.text.slice(this.i, this.i + 6));
    if (m) this.#replace(document.createElement("br"), this.i + m[0].length); else this.#skip();
  }

  // code ends at a run of as many backticks as it begins with.
  #code() {
    this.runs ??= backticks(this.text);
    let n = 1;
    while (this.text[this.i + n] === "`") n++;
    const same = this.runs.get(n) ?? { at: [], next: 0 }; // an escape may have taken one away
    while (same.next < same.at.length && same.at[same.next] < this.i + n) same.next++;
    const end = same.at[same.next];
    if (end === undefined) { this.#skip(n); return; }
    const body = this.text.slice(this.i + n, end);
    const code = document.createElement("code");
    code.textContent = body.startsWith(" ") && body.endsWith(" ") && body.trim() ? body.slice(1, -1) : body;
    this.#replace(code, end + n);
  }

  // emphasis opens or closes. What is open already is not opened again: so never more is open than there are marks.
  #emphasis(mark) {
    const { text, i } = this;
    const before = text[i - 1] ?? " ";
    const after = text[i + mark.length] ?? " ";
    const inWord = mark === "*" && /\w/.test(before) && /\w/.test(after); // 2*3*4
    const open = this.stack.findIndex((f) => f.mark === mark);
    if (open > 0 && before.trim() && !inWord) {
      this.#flush(i);
      while (this.stack.length - 1 > open) this.#unopen();
      const { nodes } = this.stack.pop();
      this.#append(nodes.childNodes.length ? nodes : mark + mark);
      this.at = this.i = i + mark.length;
    } else if (open < 0 && after.trim() && !inWord) {
      this.#flush(i);
      this.stack.push({ mark, nodes: document.createElement(elements[mark]) });
      this.at = this.i = i + mark.length;
    } else {
      this.#skip(mark.length);
    }
  }

  // unopen makes the innermost mark that nothing closed text again.
  #unopen() {
    const { mark, nodes } = this.stack.pop();
    const { nodes: outer } = this.stack[this.stack.length - 1];
    outer.append(mark, ...nodes.childNodes);
  }

  // link reads [label](address "title"); open is the place of its bracket.
  #link(open) {
    const end = this.links ? this.#destination(open) : 0;
    if (!end) { this.#skip(open - this.i + 1); return; }
    const label = this.text.slice(open + 1, end.label);
    this.#replace(link(end.address, open > this.i ? `${word("image")}: ${label}` : label, this.text.slice(this.i, end.end)), end.end);
  }

  #destination(open) {
    const close = this.#next("]", open + 1);
    if (close < 0 || close - open > longest.label || this.text[close + 1] !== "(") return 0;
    const inner = this.text.indexOf("[", open + 1);
    if (inner > 0 && inner < close) return 0; // the inner one is the link
    const rest = this.text.slice(close + 2, close + 2 + longest.address + longest.title);
    let i = rest.search(/\S|$/);
    let address;
    if (rest[i] === "<") {
      const end = rest.indexOf(">", i);
      if (end < 0) return 0;
      address = rest.slice(i + 1, end);
      i = end + 1;
    } else {
      const from = i;
      for (let depth = 0; i < rest.length && !/[\s<>]/.test(rest[i]); i++) {
        if (rest[i] === "(" && ++depth > 3) return 0;
        if (rest[i] === ")" && depth-- === 0) break;
      }
      address = rest.slice(from, i);
    }
    const title = /^\s+(?:"[^"]*"|'[^']*')?\s*/.exec(rest.slice(i)); // it is not shown
    if (title) i += title[0].length;
    return rest[i] === ")" && address ? { label: close, address, end: close + 3 + i } : 0;
  }

  // address reads a bare web address; punctuation at its end belongs to the sentence.
  #address(head) {
    const { text, i } = this;
    const from = i + head.length;
    if (!this.links || /\w/.test(text[i - 1] ?? "")) { this.#skip(head.length); return; }
    let end = from;
    while (/[\w.:@[\]-]/.test(text[end] ?? "")) end++; // of the host: no letter that only looks like one, nor the sentence behind it
    if (/[/?#]/.test(text[end] ?? "")) while (end < text.length && end - i < longest.address && !stop.test(text[end])) end++;
    let depth = 0;
    for (let k = i; k < end; k++) depth += text[k] === "(" ? 1 : text[k] === ")" ? -1 : 0;
    while (/[).,;:!?\]*~]/.test(text[end - 1]) && (text[end - 1] !== ")" || depth < 0)) if (text[--end] === ")") depth++;
    if (end <= from) { this.#skip(head.length); return; }
    const url = text.slice(i, end);
    this.#replace(link(url, "", url), end);
  }
}

// backticks finds the runs of each length.
function backticks(text) {
  const runs = new Map();
  for (const m of text.matchAll(/`+/g)) {
    const n = m[0].length;
    if (!runs.has(n)) runs.set(n, { at: [], next: 0 });
    runs.get(n).at.push(m.index);
  }
  return runs;
}

// link shows where it leads, whatever its text says. What is not a web address stays text.
function link(address, label, source) {
  let url;
  try { url = new URL(address); } catch { return document.createTextNode(source); }
  if (url.protocol !== "https:" && url.protocol !== "http:") return document.createTextNode(source);
  const a = document.createElement("a");
  a.href = url.href;
  a.target = "_blank";
  a.rel = "noopener noreferrer nofollow";
  a.referrerPolicy = "no-referrer";
  if (label.trim()) inline(a, label, false); else a.textContent = address;
  const out = document.createElement("span");
  out.className = "out";
  out.append(a);
  // A name before the @, letters of another script that look alike, an invisible character: the host is said unless the address shows just it.
  const shown = `${url.protocol}//${url.host}`;
  const plain = !label.trim() && address.startsWith(shown) && /^([/?#]|$)/.test(address.slice(shown.length));
  if (!plain) out.append(Object.assign(document.createElement("bdi"), { className: "host", textContent: url.host }));
  return out;
}
