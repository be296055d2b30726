// The phone and the way of its messages. What happened comes as events: said, posted, shown; everything is drawn from them.

import { $, by, clock, duration, make } from "./make.js";
import { word } from "./words.js";

const members = [...document.querySelectorAll("[data-member]")];
const names = new Map(members.map((b) => [b.dataset.member, b.dataset.name]));
const entries = new Map(); // by id, in order
let holder = members[0]?.dataset.member;

// The phone shows what one person said and saw.
function bubbles() {
  const list = [];
  for (const e of entries.values()) {
    if (e.user !== holder || e.kind === "posted") continue;
    if (e.kind === "said" && !e.text) { list.push(make("li", "event", word("said")(names.get(e.user), ""))); continue; }
    const li = make("li", e.kind === "said" ? "mine" : "theirs", make("p", "", e.text));
    const posted = e.kind === "said" && follow(e.id).posted;
    if (posted?.error) li.append(make("small", "bad", "!"));
    if (e.by) li.append(make("small", "by", by(e.by)));
    list.push(li);
  }
  $("bubbles").replaceChildren(...list);
  $("enter").hidden = list.length > 0;
  $("talk").scrollTop = $("talk").scrollHeight;
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
  steps.append(step("good", word("sealed"), "", posted?.url ? `POST ${new URL(posted.url).pathname}` : "POST …"));
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
    const figure = `${word("after")} ${duration(last.took)}${shown.length > 1 ? ` · ${word("more")(shown.length)}` : ""}`;
    steps.append(step("good", word("answered"), figure, last.by && by(last.by)));
  }
  card.append(steps);
  return card;
}

function steps() {
  const said = [...entries.values()].filter((e) => e.kind === "said").reverse().slice(0, 50);
  $("steps").replaceChildren(...said.map(way));
  $("lead").hidden = said.length > 0;
}

let drawn = 0;
function draw() {
  if (drawn) return;
  drawn = requestAnimationFrame(() => { drawn = 0; bubbles(); steps(); });
}

function listen() {
  const source = new EventSource("/dev/wecom/events");
  const note = (e) => {
    const entry = JSON.parse(e.data);
    entries.set(entry.id, entry);
    while (entries.size > 600) entries.delete(entries.keys().next().value);
    draw();
  };
  for (const kind of ["said", "posted", "shown"]) source.addEventListener(kind, note);
  source.addEventListener("anew", () => { entries.clear(); draw(); });
  source.addEventListener("error", () => problem("network"));
  source.addEventListener("open", () => problem(""));
}

function problem(code) {
  $("phone-error").hidden = !code;
  $("phone-error").textContent = code ? word(code) : "";
}

async function say(text) {
  if (new TextEncoder().encode(text).length > 2048) { problem("too_large"); return false; }
  problem("");
  try {
    const res = await fetch("/dev/wecom/messages", {
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

function tick() { $("time").textContent = new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }); }

// drawPhone draws everything anew, in the language chosen now.
export function drawPhone() {
  $("menu").replaceChildren(...word("commands").map((text) => {
    const b = Object.assign(make("button", "", text), { type: "button" });
    b.addEventListener("click", () => say(text));
    return b;
  }));
  draw();
}

export function startPhone() {
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
  tick();
  setInterval(tick, 10000);
  hold(holder);
  listen();
}
