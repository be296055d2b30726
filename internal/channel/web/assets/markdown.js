// A small, safe subset of markdown. It builds DOM nodes from text and never parses HTML; it loads nothing: an image becomes a link. It takes linear
// time, and no text chooses how deep it nests.

import { inline } from "./inline.js";
import { word } from "./words.js";

const deepest = { list: 6, quote: 3 };
const columns = 40;
// What is longer than anybody reads is shown as it stands.
const marked = 256 * 1024;

// clean takes away what has no place in an answer: a terminal's control sequences, control characters, and what turns the direction of other
// text or hides in it. Marks that languages need (RLM, ZWJ, ZWNJ) stay.
export function clean(text) {
  return text.replace(/\r\n?|[\u2028\u2029]/g, "\n")
    .replace(/\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?/g, "")
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g, "");
}

const kept = new WeakMap(); // the blocks of an element

// show makes el show text, the whole of it so far. Blocks that stay the same stay in place, with what a person selected in them.
export function show(el, text) {
  const before = kept.get(el) ?? [];
  const after = blocks(clean(text));
  let same = 0;
  while (same < before.length && same < after.length && before[same].kind === after[same].kind && before[same].source === after[same].source) same++;
  for (const b of before.slice(same)) b.node.remove();
  for (let i = 0; i < after.length; i++) after[i].node = i < same ? before[i].node : build(after[i], 0);
  el.append(...after.slice(same).map((b) => b.node));
  kept.set(el, after);
}

// render returns a fragment for text.
export function render(text) {
  const out = document.createDocumentFragment();
  show(out, text);
  return out;
}

// blocks cuts text; unfinished ones (an open fence while the text streams) reach as far as they came.
function blocks(text) {
  const lines = text.slice(0, marked).split("\n");
  const out = [];
  for (let i = 0; i < lines.length;) {
    const [kind, end] = blank(lines[i]) ? ["", i + 1] : extent(lines, i);
    if (kind) out.push({ kind, lines: lines.slice(i, end), source: lines.slice(i, end).join("\n") });
    i = end;
  }
  if (text.length > marked) out.push({ kind: "plain", lines: [], source: text.slice(marked) });
  return out;
}

const blank = (line) => !line.trim();
const indent = (line) => line.slice(0, line.search(/\S|$/)).replace(/\t/g, "    ").length;
const heading = (line) => /^ {0,3}(#{1,6})[ \t]+(.*)$/.exec(line);
const rule = (line) => /^([-*_])\1{2,}$/.test(line.replace(/\s+/g, ""));
const quoted = (line) => /^ {0,3}>/.test(line);

// tabular: a row, and below it one of dashes with as many cells.
function tabular(lines, i) {
  const below = lines[i + 1] ?? "";
  if (!lines[i].includes("|") || !/^[|:\- \t]+$/.test(below)) return false;
  const dashes = cells(below);
  return dashes.every((c) => /^:?-+:?$/.test(c)) && dashes.length === cells(lines[i]).length;
}

// fence reads an opening line: its marks, its indentation, and the language.
function fence(line) {
  const m = /^\s*(`{3,}|~{3,})[ \t]*([^\s`]*)/.exec(line);
  return m && !(m[1][0] === "`" && line.slice(m[0].length).includes("`")) ? { mark: m[1], language: m[2], indent: indent(line) } : null;
}

function closes(line, open) {
  const t = line.trim();
  return t.length >= open.mark.length && t === open.mark[0].repeat(t.length);
}

function item(line) {
  const m = /^(\s*)(?:[-*+•]|(\d{1,9})[.)])[ \t]+(.*)$/.exec(line);
  return m && !rule(line) ? { indent: indent(line), number: m[2], text: m[3] } : null;
}

// extent tells what begins at line i, and where it ends.
function extent(lines, i) {
  const open = fence(lines[i]);
  if (open) {
    let end = i + 1;
    while (end < lines.length && !closes(lines[end], open)) end++;
    return ["code", Math.min(end + 1, lines.length)];
  }
  if (rule(lines[i])) return ["rule", i + 1];
  if (heading(lines[i])) return ["heading", i + 1];
  if (item(lines[i])) return ["list", listEnd(lines, i)];
  if (quoted(lines[i])) return ["quote", past(lines, i, quoted)];
  if (tabular(lines, i)) return ["table", past(lines, i + 2, (l) => l.includes("|"))];
  return ["paragraph", past(lines, i + 1, (l, n) => !blank(l) && !fence(l) && !heading(l) && !rule(l) && !item(l) && !quoted(l) && !tabular(lines, n))];
}

// past finds the first line from i that does not fit.
function past(lines, i, fits) {
  while (i < lines.length && fits(lines[i], i)) i++;
  return i;
}

// listEnd: indented lines belong to the item above, also after a blank one; code ends the list, and its numbers go on after it.
function listEnd(lines, from) {
  const first = item(lines[from]);
  let i = from + 1;
  for (let next = i; next < lines.length; next++) {
    if (blank(lines[next])) continue;
    const it = item(lines[next]);
    const other = it && it.indent <= first.indent + 1 && Boolean(it.number) !== Boolean(first.number);
    if (other || (!it && indent(lines[next]) < 2) || fence(lines[next])) break;
    i = next + 1;
  }
  return i;
}

function make(name, text, className) {
  const el = document.createElement(name);
  if (text !== undefined) el.textContent = text;
  if (className) el.className = className;
  return el;
}

const builders = { code, list, quote, table, rule: () => make("hr"), heading: title, paragraph: (b) => textLines(make("p"), b.lines), plain: (b) => make("p", b.source, "plain") };

function build(block, depth) { return builders[block.kind](block, depth); }

function title({ lines: [line] }) {
  const m = heading(line);
  let end = m[2].length;
  while (end > 0 && "# \t".includes(m[2][end - 1])) end--;
  return inline(make("h2", undefined, m[1].length < 3 ? "" : "minor"), m[2].slice(0, end)); // one level: a model's need not be in order
}

function textLines(el, lines) {
  lines.forEach((line, n) => {
    if (n > 0) el.append(make("br"));
    inline(el, line.trim());
  });
  return el;
}

function code({ lines }) {
  const open = fence(lines[0]);
  const body = lines.slice(1, lines.length > 1 && closes(lines[lines.length - 1], open) ? -1 : undefined);
  const box = make("figure", undefined, "code");
  const head = make("figcaption");
  const copy = make("button", word("copy"), "copy");
  copy.type = "button";
  head.append(make("span", open.language || word("code")), copy);
  const pre = make("pre");
  pre.tabIndex = 0;
  pre.append(make("code", body.map((l) => l.slice(Math.min(open.indent, indent(l)))).join("\n")));
  box.append(head, pre);
  return box;
}

// list nests by indentation. stack holds the lists that are open.
function list({ lines }) {
  const begin = (it) => {
    const el = make(it.number ? "ol" : "ul");
    if (it.number && it.number !== "1") el.start = Number(it.number);
    return { el, indent: it.indent, ordered: Boolean(it.number), last: null };
  };
  const root = begin(item(lines[0]));
  const stack = [root];
  for (const line of lines) {
    if (blank(line)) continue;
    const it = item(line);
    let top = stack[stack.length - 1];
    if (!it) { top.last.append(make("br")); inline(top.last, line.trim()); continue; }
    while (stack.length > 1 && it.indent < top.indent - 1) { stack.pop(); top = stack[stack.length - 1]; }
    const deeper = it.indent > top.indent + 1 && stack.length < deepest.list;
    const other = !deeper && stack.length > 1 && top.ordered !== Boolean(it.number);
    if (other) stack.pop();
    if (deeper || other) {
      const parent = stack[stack.length - 1].last;
      stack.push(top = begin(it));
      parent.append(top.el);
    }
    top.last = inline(make("li"), it.text.replace(/^\[([ xX])\] /, (_, x) => (x === " " ? "☐ " : "☑ ")));
    top.el.append(top.last);
  }
  return root.el;
}

function quote({ lines }, depth) {
  const el = make("blockquote");
  const inner = lines.map((l) => l.replace(/^ {0,3}> ?/, ""));
  if (depth >= deepest.quote) el.append(textLines(make("p"), inner));
  else el.append(...blocks(inner.join("\n")).map((b) => build(b, depth + 1)));
  return el;
}

// cells cuts a row at the bars that no backslash stands before.
function cells(line) {
  const all = line.trim().replace(/^\|/, "").replace(/([^\\]|^)\|$/, "$1").split(/(?<!\\)\|/);
  return (all.length > columns ? [...all.slice(0, columns - 1), all.slice(columns - 1).join("|")] : all).map((s) => s.trim().replaceAll("\\|", "|"));
}

function table({ lines }) {
  const align = cells(lines[1]).map((c) => (c.endsWith(":") ? (c.startsWith(":") ? "mid" : "end") : ""));
  const row = (line, tag) => {
    const tr = make("tr");
    cells(line).forEach((c, n) => tr.append(inline(make(tag, undefined, align[n]), c)));
    return tr;
  };
  const el = make("table");
  const head = make("thead");
  head.append(row(lines[0], "th"));
  const body = make("tbody");
  for (const line of lines.slice(2)) body.append(row(line, "td"));
  el.append(head, body);
  const box = make("div", undefined, "table");
  box.tabIndex = 0; // it scrolls by itself
  box.append(el);
  return box;
}
