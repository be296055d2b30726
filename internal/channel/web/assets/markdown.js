// A small, safe subset of markdown. It builds DOM nodes from text and never parses HTML; it loads nothing: an image becomes a link.

import { word } from "./words.js";

// render returns a fragment for text; unfinished constructs (an open fence while the text streams) are shown as far as they came.
export function render(text) {
  const out = document.createDocumentFragment();
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  let i = 0;
  while (i < lines.length) {
    const fence = lines[i].match(/^\s{0,3}(`{3,}|~{3,})\s*([^\s`]*)/);
    if (fence) { i = code(out, lines, i, fence); continue; }
    if (!lines[i].trim()) { i++; continue; }
    if (/^\s{0,3}([-*_])(\s*\1){2,}\s*$/.test(lines[i])) { out.append(make("hr")); i++; continue; }
    const heading = lines[i].match(/^\s{0,3}(#{1,6})\s+(.*?)\s*#*\s*$/);
    if (heading) { out.append(inline(make(heading[1].length < 3 ? "h3" : "h4"), heading[2])); i++; continue; }
    if (item(lines[i])) { i = list(out, lines, i, item(lines[i]).indent); continue; }
    if (/^\s{0,3}>/.test(lines[i])) { i = quote(out, lines, i); continue; }
    if (lines[i].includes("|") && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[i + 1] ?? "") && lines[i + 1].includes("-")) { i = table(out, lines, i); continue; }
    i = paragraph(out, lines, i);
  }
  return out;
}

function make(name, text, className) {
  const el = document.createElement(name);
  if (text !== undefined) el.textContent = text;
  if (className) el.className = className;
  return el;
}

function code(out, lines, i, fence) {
  const body = [];
  const ends = new RegExp(`^\\s{0,3}${fence[1][0]}{${fence[1].length},}\\s*$`);
  for (i++; i < lines.length && !ends.test(lines[i]); i++) body.push(lines[i]);
  const box = make("figure", undefined, "code");
  const head = make("figcaption");
  const copy = make("button", word("copy"), "copy");
  copy.type = "button";
  head.append(make("span", fence[2] || word("code")), copy);
  const pre = make("pre");
  pre.tabIndex = 0;
  pre.append(make("code", body.join("\n")));
  box.append(head, pre);
  out.append(box);
  return i + 1;
}

function item(line) {
  const m = line.match(/^(\s*)([-*+•]|(\d{1,9})[.)])\s+(.*)$/);
  return m && { indent: m[1].replace(/\t/g, "    ").length, number: m[3], text: m[4] };
}

// list reads items of one indentation; deeper ones are lists inside the last item, other indented lines belong to its text.
function list(out, lines, i, indent) {
  const first = item(lines[i]);
  const el = make(first.number ? "ol" : "ul");
  if (first.number && first.number !== "1") el.start = Number(first.number);
  let last = null;
  while (i < lines.length) {
    const it = item(lines[i]);
    if (it && it.indent > indent + 1 && last) { i = list(last, lines, i, it.indent); continue; }
    if (it && it.indent < indent - 1) break;
    if (it) {
      if (Boolean(it.number) !== Boolean(first.number)) break;
      last = inline(make("li"), it.text);
      el.append(last);
      i++;
      continue;
    }
    if (!lines[i].trim()) {
      const next = item(lines[i + 1] ?? "");
      if (!next || next.indent < indent - 1) break;
      i++;
      continue;
    }
    if (!/^\s{2,}/.test(lines[i]) || !last || /^\s*(`{3,}|~{3,})/.test(lines[i])) break;
    last.append(make("br"));
    inline(last, lines[i].trim());
    i++;
  }
  out.append(el);
  return i;
}

function quote(out, lines, i) {
  const body = [];
  for (; i < lines.length && /^\s{0,3}>/.test(lines[i]); i++) body.push(lines[i].replace(/^\s{0,3}>\s?/, ""));
  const el = make("blockquote");
  const text = body.join("\n");
  // Each level is a recursion; a model's answer must not choose its depth.
  if (/^(\s*>){6}/m.test(text)) el.append(make("p", text));
  else el.append(render(text));
  out.append(el);
  return i;
}

function table(out, lines, i) {
  const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((s) => s.trim());
  const el = make("table");
  const row = (line, tag) => { const tr = make("tr"); for (const c of cells(line)) tr.append(inline(make(tag), c)); return tr; };
  const head = make("thead");
  head.append(row(lines[i], "th"));
  const body = make("tbody");
  for (i += 2; i < lines.length && lines[i].includes("|"); i++) body.append(row(lines[i], "td"));
  el.append(head, body);
  const box = make("div", undefined, "table");
  box.append(el);
  out.append(box);
  return i;
}

function paragraph(out, lines, i) {
  const p = make("p");
  for (let n = 0; i < lines.length && lines[i].trim(); i++, n++) {
    if (n > 0 && (item(lines[i]) || /^\s{0,3}(`{3,}|~{3,}|#{1,6}\s|>)/.test(lines[i]))) break;
    if (n > 0) p.append(make("br"));
    inline(p, lines[i].trim());
  }
  out.append(p);
  return i;
}

// One pass over inline marks: `code`, **bold**, *emphasis*, ![image](url), [text](url), bare addresses.
const marks = /(`+)(.+?)\1(?!`)|\*\*(?=\S)(.+?)(?<=\S)\*\*|(?<![\w*])\*(?=[^\s*])([^*]+?)(?<=[^\s*])\*(?![\w*])|(!?)\[([^\]\n]*)\]\(\s*<?([^\s()<>]+(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+"[^"]*")?\s*\)|(https?:\/\/[^\s<>"'`，。；：！？、（）《》「」]+)/g;

function inline(el, text) {
  let at = 0;
  for (const m of text.matchAll(marks)) {
    el.append(text.slice(at, m.index));
    at = m.index + m[0].length;
    if (m[2] !== undefined) el.append(make("code", m[2].replace(/^ (.+) $/, "$1")));
    else if (m[3] !== undefined) el.append(inline(make("strong"), m[3]));
    else if (m[4] !== undefined) el.append(inline(make("em"), m[4]));
    else if (m[7] !== undefined) el.append(link(m[7], m[5] ? `${word("image")}: ${m[6]}` : m[6], m[0]));
    else {
      const url = m[8].replace(/[).,;:!?\]]+$/, (tail) => (tail.startsWith(")") && m[8].includes("(") ? tail[0] : ""));
      at = m.index + url.length;
      el.append(link(url, "", url));
    }
  }
  el.append(text.slice(at));
  return el;
}

// link shows where it leads, whatever its text says. What is not a web address stays text.
function link(address, text, source) {
  let url;
  try { url = new URL(address); } catch { return document.createTextNode(source); }
  if (url.protocol !== "https:" && url.protocol !== "http:") return document.createTextNode(source);
  const a = make("a", text || address);
  a.href = url.href;
  a.target = "_blank";
  a.rel = "noopener noreferrer nofollow";
  a.referrerPolicy = "no-referrer";
  const out = make("span", undefined, "out");
  out.append(a);
  // User and password in front of a host are how a link pretends to lead elsewhere: the host is always said.
  if (text || url.username || url.password) out.append(make("span", url.host, "host"));
  return out;
}
