// The operator's switch: who answers now, the buttons that change it, and the record of what they did. It draws what the server says.

import { $, by, clock, duration, make } from "./make.js";
import { word } from "./words.js";

let standing = null;
let act = null; // the last change's outcome
let busy = false;
const cards = new Map(); // by provider

const failing = (m) => m.broken || m.avoided || m.keyless;
const modelOf = (target) => standing.models.find((m) => target.startsWith(`${m.provider}/`));

// current finds who answers the first route's next turn, as far as the page can know.
function current() {
  const route = standing.routes[0];
  return route?.now.map(modelOf).find((m) => m && !failing(m));
}

// card makes one model's box once, so that drawing anew takes no button away from under the pointer.
function card(model) {
  const button = (className, run) => {
    const b = Object.assign(make("button", className), { type: "button" });
    b.addEventListener("click", run);
    return b;
  };
  const c = {
    el: make("li", "model"), name: make("b"), model: make("code"), state: make("small"), badge: make("span", "badge"),
    use: button("use", () => (c.first ? restore("") : degrade(model.provider))),
    ramp: button("", () => restore("1m")),
    fail: button("fail", () => post("break", { provider: model.provider, broken: !c.broken })),
  };
  c.el.append(make("div", "who", c.name, c.badge), make("div", "what", c.model, c.state), make("div", "acts", c.use, c.fail, c.ramp));
  return c;
}

function drawCards() {
  const now = current();
  const names = standing.models.map((m) => m.provider).join();
  if ($("models").dataset.names !== names) {
    cards.clear();
    for (const m of standing.models) cards.set(m.provider, card(m));
    $("models").replaceChildren(...[...cards.values()].map((c) => c.el));
    $("models").dataset.names = names;
  }
  const switched = standing.switches.length > 0;
  standing.models.forEach((m, i) => {
    const c = cards.get(m.provider);
    c.first = i === 0;
    c.broken = m.broken;
    c.name.textContent = m.name;
    c.model.textContent = m.model;
    c.badge.textContent = m === now ? word("answers-now") : "";
    c.el.dataset.state = failing(m) ? "failing" : m === now ? "now" : "";
    const states = standing.read_only ? [] : [word(m.simulated ? "simulated" : "real")];
    for (const s of ["broken", "avoided", "keyless"]) if (m[s]) states.push(word(s));
    c.state.textContent = states.join(" · ");
    c.state.title = m.simulated ? word("key-hint")(m.key) : "";
    c.use.textContent = c.first ? word("restore-to") : word("degrade-to")(m.name);
    c.use.title = c.first ? word("restore-more")(m.name) : word("degrade-more")(m.provider);
    c.ramp.textContent = word("restore-ramp");
    c.ramp.title = word("ramp-more");
    c.fail.textContent = word(m.broken ? "mend" : "break");
    c.use.hidden = c.fail.hidden = c.ramp.hidden = standing.read_only;
    c.ramp.hidden ||= !c.first || !standing.switches.some((s) => s.share === 1);
    c.fail.hidden ||= !m.simulated;
    const there = !c.first && standing.switches[0]?.share === 1 && standing.routes[0]?.now[0]?.startsWith(`${m.provider}/`);
    c.use.disabled = busy || (c.first ? !switched : there);
    c.ramp.disabled = c.fail.disabled = busy;
  });
}

// answering is the sentence that says who answers and why.
function answering() {
  const now = current();
  const [route, sw] = [standing.routes[0], standing.switches[0]];
  if (!now) return word("now-nobody");
  const first = modelOf(route.normal[0]);
  const target = modelOf(route.now[0]);
  if (sw && target !== first) {
    if (now !== target) return word("now-waits")(target.name);
    if (sw.share < 1) return word("now-ramp")(`${Math.round(sw.share * 100)}%`, target.name, first.name);
    return word("now-switched")(now.name, sw.reason);
  }
  return now === first ? word("now-normal")(now.name) : word("now-fallback")(first.name, now.name);
}

function drawStanding() {
  const { document: doc, answers } = standing;
  const whose = standing.routes.length > 1 ? `${standing.routes[0].tenant} / ${standing.routes[0].class}: ` : ""; // the cards are the first route's
  $("answering").textContent = busy ? word("waiting-act") : whose + answering();
  const took = act?.took && act.revision === doc.revision ? ` · ${word("in-force")(duration(act.took))}` : "";
  $("document").textContent = doc.refused ? word("document-refused")(doc.refused)
    : doc.revision ? word("document-is")(doc.revision, clock(doc.since)) + took : word("document-none");
  const last = answers[0];
  $("last").textContent = last ? word("last")(by(last), clock(last.at), duration(last.took)) : word("last-none");
  $("because").hidden = standing.read_only;
  $("switch-note").hidden = !standing.read_only;
  $("switch-note").textContent = word("read-only")(standing.config);
}

function drawRecord() {
  const lines = standing.read_only ? standing.routes.map((r) => `${r.tenant} / ${r.class}: ${r.now.join(", ")}`)
    : (act?.output || `${word("nothing-yet")}\n${word("terminal")(standing.config)}`).split("\n");
  $("output").replaceChildren(...lines.map((l) => make("span", l.startsWith("+ ") ? "plus" : l.startsWith("- ") ? "minus" : "", `${l}\n`)));
  $("audit").textContent = act?.audit ? JSON.stringify(JSON.parse(act.audit), null, 2) : word("nothing-yet");
  $("answers").replaceChildren(...standing.answers.length ? [] : [make("li", "", word("last-none"))], ...standing.answers.map((a) => make("li", a.provider ? "" : "bad",
    make("span", "", a.question), make("small", "", `${by(a)} · ${clock(a.at)} · ${duration(a.took)}`))));
}

let drawn = "";

// drawSwitch draws what is known, in the language chosen now.
export function drawSwitch() {
  if (!standing) return;
  $("switch").hidden = false;
  drawCards();
  drawStanding();
  drawRecord();
}

async function look() {
  try {
    const res = await fetch("/dev/operator");
    if (!res.ok) return;
    const text = await res.text();
    standing = JSON.parse(text);
    if (text !== drawn) drawSwitch();
    drawn = text;
  } catch { /* the phone says that Parley cannot be reached */ }
}

function trouble(text) {
  $("switch-error").hidden = !text;
  $("switch-error").textContent = text;
}

async function post(what, body) {
  if (busy) return;
  busy = true;
  trouble("");
  drawSwitch();
  try {
    const res = await fetch(`/dev/operator/${what}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const said = await res.json();
    const outcome = res.ok ? said : said.act;
    if (outcome?.output) act = outcome;
    if (!res.ok) trouble(word("refused-act") + said.error.message);
  } catch { trouble(word("network")); }
  busy = false;
  drawn = "";
  await look();
}

const reason = () => $("reason").value.trim() || word("reason-default");
const degrade = (to) => post("degrade", { to, reason: reason() });
const restore = (ramp) => post("restore", { ramp, reason: reason() });

export function startSwitch() {
  const open = (yes) => {
    $("record").hidden = !yes;
    $("more").setAttribute("aria-expanded", String(yes));
  };
  $("more").addEventListener("click", () => open($("record").hidden));
  $("switch").addEventListener("keydown", (e) => { if (e.key === "Escape") open(false); });
  look();
  setInterval(() => { if (!document.hidden && !busy) look(); }, 1000);
}
