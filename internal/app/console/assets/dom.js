// Small tools to make elements. No text ever becomes markup.

export function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith("on")) node.addEventListener(k.slice(2), v);
    else if (k === "class") node.className = v;
    else if (k === "value") node.value = v;
    else node.setAttribute(k, v === true ? "" : v);
  }
  node.append(...children.flat(9).filter((c) => c !== undefined && c !== null && c !== false).map((c) => (c instanceof Node ? c : String(c))));
  return node;
}

export function svg(tag, props, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(props || {})) node.setAttribute(k, v);
  node.append(...children);
  return node;
}

export const tag = (level, text) => el("span", { class: `tag ${level || ""}` }, text);

export const button = (text, onclick, kind = "", more = {}) => el("button", { type: "button", class: `btn ${kind}`, onclick, ...more }, text);

// table makes one of columns [{head, num, cell(row)}]; on a phone each row becomes a card.
export function table(columns, rows, none) {
  if (!rows.length) return el("p", { class: "none" }, none);
  return el("div", { class: "wide" }, el("table", { class: "stack" },
    el("thead", {}, el("tr", {}, columns.map((c) => el("th", { class: c.num ? "num" : "" }, c.head)))),
    el("tbody", {}, rows.map((r) => el("tr", {}, columns.map((c, i) => {
      const cell = c.cell(r);
      return el("td", { class: `${c.num ? "num" : ""} ${i ? "" : "first"}`, "data-label": c.head }, cell === "" ? null : c.head === "" || cell instanceof Node ? cell : el("span", {}, cell));
    }))))));
}

export function card(title, body, ...right) {
  return el("section", { class: "card" }, el("header", {}, el("h2", {}, title), right.length ? el("span", { class: "right" }, right) : null), body);
}

// diff shows a difference as the commands print it: lines that went, came, and stand around.
export function diff(text) {
  return el("pre", { class: "diff" }, text.replace(/\n$/, "").split("\n").map((l) => el("span", { class: l[0] === "+" ? "add" : l[0] === "-" ? "cut" : "" }, l || " ")));
}
