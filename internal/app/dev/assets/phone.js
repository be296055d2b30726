// The phones and the way of their messages. What happened comes as events: said, posted, shown; everything is drawn from them. What a platform
// rewrites (a card) comes again and takes its own place.

import { $, by, clock, duration, make } from "./make.js";
import { word } from "./words.js";

const members = [...document.querySelectorAll("[data-member]")];
const names = new Map(members.map((b) => [b.dataset.member, b.dataset.name]));
const devices = [...document.querySelectorAll("[data-device]")];
const entries = new Map(); // by place
let holder = members[0]?.dataset.member;
let device = devices[0];
let markdown = null; // how the chat page beside this draws it; null: not loaded
const drawnBubbles = new Map(); // by place: what a card holds stays in place while it grows

const here = () => [...entries.values()].filter((e) => e.phone === device.dataset.device).sort((a, b) => (a.place ?? a.id) - (b.place ?? b.id));

// The phone shows what one person said and saw.
function bubbles() {
  const list = here().filter((e) => e.user === holder && e.kind !== "posted").map((e) => (e.kind === "shown" ? theirs(e) : mine(e)));
  const shown = $("bubbles").children; // it follows what changes
  list.forEach((li, i) => { if (shown[i] !== li) $("bubbles").insertBefore(li, shown[i] ?? null); });
  while (shown.length > list.length) $("bubbles").lastElementChild.remove();
  $("enter").hidden = list.length > 0 || device.dataset.opens !== "true";
  $("talk").scrollTop = $("talk").scrollHeight;
}

function mine(e) {
  if (!e.text) return make("li", "event", word("said")(names.get(e.user), ""));
  const li = make("li", "mine", make("p", "", e.text));
  if (follow(e.id).posted?.error) li.append(make("small", "bad", "!"));
  return li;
}

function theirs(e) {
  const place = e.place ?? e.id;
  const li = drawnBubbles.get(place) ?? make("li", "", make("div", "text"));
  drawnBubbles.set(place, li);
  li.className = `theirs${e.markdown ? " rich" : ""}${e.part ? " growing" : ""}`;
  const text = li.querySelector(".text");
  if (e.markdown && markdown) markdown.show(text, e.text); else text.textContent = e.text;
  li.querySelector(".by")?.remove();
  if (e.by) li.append(make("small", "by", by(e.by)));
  return li;
}

// follow collects what belongs to a said entry.
function follow(id) {
  const out = { posted: null, shown: [] };
  for (const e of entries.values()) {
    if (e.of !== id) continue;
    if (e.kind === "posted") out.posted = e; else out.shown.push(e);
  }
  return out;
}

function step(state, text, figure, detail) {
  const li = make("li", state, make("span", "text", text));
  if (figure) li.append(make("span", "figure", figure));
  if (detail) li.append(make("code", "", detail));
  return li;
}

function way(said) {
  const { posted, shown } = follow(said.id);
  const card = make("li", "card", make("h3", "", make("span", "", word("said")(names.get(said.user) ?? said.user, said.text ?? "")), make("time", "", clock(said.at))));
  const steps = make("ol", "");
  steps.append(step("good", word(device.dataset.kind === "dingtalk" ? "signed" : "sealed"), "", posted?.url ? `POST ${new URL(posted.url).pathname}` : "POST …"));
  if (!posted) {
    steps.append(step("busy", word("waiting")));
  } else {
    const tries = posted.tries > 1 ? ` · ${word("tries")(posted.tries)}` : "";
    const figure = `${posted.status || "—"} · ${duration(posted.took)}${tries}`;
    steps.append(posted.error ? step("bad", word("refused"), figure, posted.error) : step("good", word("accepted"), figure));
    if (!posted.error && shown.length === 0 && said.text) steps.append(step("busy", word("answering")));
  }
  if (shown.length > 0) {
    const last = shown[shown.length - 1];
    const first = last.first ? `${word("first")} ${duration(last.first)} · ` : "";
    const figure = `${first}${word("after")} ${duration(last.took)}${shown.length > 1 ? ` · ${word("more")(shown.length)}` : ""}`;
    steps.append(last.part ? step("busy", word("growing")(last.way), figure) : step("good", word("answered")(last.way), figure, last.by && by(last.by)));
  }
  card.append(steps);
  return card;
}

function steps() {
  const said = here().filter((e) => e.kind === "said").reverse().slice(0, 50);
  $("steps").replaceChildren(...said.map(way));
  $("lead").hidden = said.length > 0;
}

let drawn = 0;
function draw() {
  if (drawn) return;
  drawn = requestAnimationFrame(() => { drawn = 0; bubbles(); steps(); });
}

function listen() {
  const source = new EventSource("/dev/phones/events");
  const note = (e) => {
    const entry = JSON.parse(e.data);
    entries.set(entry.place ?? entry.id, entry);
    for (const place of [...entries.keys()].slice(0, Math.max(0, entries.size - 600))) { entries.delete(place); drawnBubbles.delete(place); }
    draw();
  };
  for (const kind of ["said", "posted", "shown"]) source.addEventListener(kind, note);
  source.addEventListener("anew", () => { entries.clear(); drawnBubbles.clear(); draw(); });
  source.addEventListener("error", () => problem("network"));
  source.addEventListener("open", () => problem(""));
}

function problem(code) {
  $("phone-error").hidden = !code;
  $("phone-error").textContent = code ? word(code) : "";
}

async function say(text) {
  if (new TextEncoder().encode(text).length > Number(device.dataset.most)) { problem("too_large"); return false; }
  problem("");
  try {
    const res = await fetch(`/dev/phones/${device.dataset.device}/messages`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: holder, text }),
    });
    if (!res.ok) {
      const { error } = await res.json();
      $("phone-error").hidden = false;
      $("phone-error").textContent = word(error.code) === error.code ? word("unsent") + error.message : word(error.code);
    }
  } catch { problem("network"); }
  return true;
}

function grow() {
  $("text").style.height = "auto";
  $("text").style.height = `${Math.min($("text").scrollHeight, 110)}px`;
}

function hold(id) {
  holder = id;
  for (const b of members) b.setAttribute("aria-pressed", String(b.dataset.member === id));
  bubbles();
}

// choose takes another phone into the hand.
function choose(button) {
  device = button;
  for (const b of devices) b.setAttribute("aria-pressed", String(b === device));
  const { kind } = device.dataset;
  $("phone").dataset.kind = kind;
  $("hand").hidden = $("way").hidden = kind === "api";
  if ($("api")) $("api").hidden = kind !== "api";
  problem("");
  if (kind === "api") return;
  $("company").textContent = word(`company-${kind}`);
  draw();
}

function tick() { $("time").textContent = new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }); }

// drawPhone draws everything anew, in the language chosen now.
export function drawPhone() {
  $("menu").replaceChildren(...word("commands").map((text) => {
    const b = Object.assign(make("button", "", text), { type: "button" });
    b.addEventListener("click", () => say(text));
    return b;
  }));
  if (device) choose(device);
}

export function startPhone() {
  if (!device) return;
  $("say").addEventListener("submit", (e) => {
    e.preventDefault();
    const text = $("text").value.trim();
    if (!text) return;
    say(text);
    $("text").value = "";
    grow();
  });
  $("text").addEventListener("keydown", (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing && e.keyCode !== 229) { e.preventDefault(); $("say").requestSubmit(); }
  });
  $("text").addEventListener("input", grow);
  $("enter").addEventListener("click", () => say(""));
  for (const b of members) b.addEventListener("click", () => hold(b.dataset.member));
  for (const b of devices) b.addEventListener("click", () => choose(b));
  import(`${new URL(document.querySelector("iframe").src).pathname}/assets/markdown.js`).then((m) => { markdown = m; draw(); }, () => { /* it is shown as text */ });
  tick();
  setInterval(tick, 10000);
  hold(holder);
  listen();
}
