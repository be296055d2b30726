// The frame: who is logged in, which page is shown, and how often it looks anew.

import { get, onLost, post, remember } from "./api.js";
import { el } from "./dom.js";
import { pages } from "./pages.js";
import { language, setLanguage, t, why } from "./words.js";

const view = { who: null, page: null, data: "", shown: 0, timer: 0, main: null, nav: null };

async function start() {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  document.title = t("Parley console");
  const invitation = /^#invite=([\w-]+)$/.exec(location.hash)?.[1];
  if (invitation) {
    history.replaceState(null, "", location.pathname);
    const who = await post("login", { invitation }).catch(() => null);
    if (who) return enter(who);
  }
  const who = await get("session").catch(() => ({ signed_in: false }));
  if (who.signed_in) enter(who); else door(who);
}

function door(who, text = "") {
  stop();
  view.who = null;
  const said = el("p", { class: "error", hidden: !text, role: "alert" }, text);
  const name = el("input", { id: "name", autocomplete: "username", required: true, maxlength: 64 });
  const password = el("input", { id: "password", type: "password", autocomplete: "current-password", required: true });
  const send = el("button", { class: "btn main" }, t("Log in"));
  const form = el("form", {
    onsubmit: async (e) => {
      e.preventDefault();
      send.disabled = true;
      try { enter(await post("login", { name: name.value.trim(), password: password.value })); } catch (err) {
        said.textContent = why(err);
        said.hidden = false;
        send.disabled = false;
        password.value = "";
        password.focus();
      }
    },
  }, el("h1", {}, logo(), t("Parley console")), said, el("label", {}, t("Name"), name), el("label", {}, t("Password"), password),
  who.invites ? el("p", { class: "soft" }, t("Or open the link that parley dev prints: it logs you in, once.")) : null,
  el("div", { class: "row" }, languageButton(() => door(who)), send));
  document.body.replaceChildren(el("div", { class: "door" }, form));
  name.focus();
}

const logo = () => el("img", { src: "assets/icon.svg", width: 22, height: 22, alt: "" });

function languageButton(again) {
  return el("button", { type: "button", class: "quiet", id: "language", onclick: () => { setLanguage(language() === "zh" ? "en" : "zh"); document.title = t("Parley console"); again(); } }, language() === "zh" ? "English" : "中文");
}

function enter(who) {
  remember(who);
  view.who = who;
  frame();
  show();
}

function frame() {
  const mine = pages.filter((p) => rank(view.who.role) >= rank(p.role || "viewer"));
  view.nav = el("nav", { "aria-label": t("Pages") }, mine.map((p) => el("a", { href: `#/${p.name}`, "data-page": p.name }, t(p.title))));
  view.main = el("main", { id: "main" });
  const out = el("button", { type: "button", class: "quiet", id: "logout", onclick: async () => { await post("logout").catch(() => {}); remember({}); door(view.who); } }, t("Log out"));
  document.body.replaceChildren(el("div", { class: "shell" },
    el("header", { class: "side" }, el("div", { class: "brand" }, logo(), "Parley"), view.nav,
      el("div", { class: "me" }, el("b", {}, view.who.name), el("span", { class: "role" }, t(view.who.role)), languageButton(() => { frame(); show(); }), out)),
    view.main));
}

export const rank = (role) => ["", "viewer", "operator", "admin"].indexOf(role);

function stop() {
  clearTimeout(view.timer);
  view.shown++;
}

function show() {
  stop();
  if (!view.who) return;
  const [name, ...rest] = decodeURIComponent(location.hash.replace(/^#\/?/, "")).split("/");
  view.page = pages.find((p) => p.name === name && rank(view.who.role) >= rank(p.role || "viewer")) || pages[0];
  view.rest = rest.join("/");
  view.data = "";
  for (const a of view.nav.children) a.toggleAttribute("aria-current", a.dataset.page === view.page.name);
  view.nav.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  view.main.replaceChildren(heading(""), el("p", { class: "none" }, t("Loading…")));
  scrollTo(0, 0);
  look();
}

const heading = (at) => el("div", { class: "head" }, el("h1", {}, t(view.page.title)), el("span", { class: "soft" }, at));

// look asks for what the page shows, shows it if it changed, and does so again after a while. What somebody is at work on stays: it has data-keep.
async function look(force) {
  const mine = view.shown;
  let data = null, failed = null;
  try { data = view.page.load ? await view.page.load(view.rest) : {}; } catch (err) { failed = err; }
  if (mine !== view.shown || !view.who) return;
  const text = failed ? why(failed) : JSON.stringify(data, (k, v) => (k === "at" ? undefined : v));
  const busy = !force && view.main.querySelector("[data-keep]") || document.querySelector("dialog[open]") || view.main.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
  if (text !== view.data && !busy) {
    view.data = text;
    const at = new Date().toLocaleTimeString();
    view.main.replaceChildren(heading(view.page.every ? `${t("as of")} ${at}` : ""), failed ? el("p", { class: "error" }, text) : view.page.view(data, { who: view.who, may: (role) => rank(view.who.role) >= rank(role), again: show, refresh, rest: view.rest }));
    view.main.dataset.page = view.page.name;
  }
  if (view.page.every) view.timer = setTimeout(() => (document.hidden ? wait(mine) : look()), view.page.every);
}

// wait looks again when the page is seen again.
function wait(mine) {
  document.addEventListener("visibilitychange", () => { if (mine === view.shown) look(); }, { once: true });
}

function refresh() {
  clearTimeout(view.timer);
  view.data = "";
  return look(true);
}

onLost(() => { if (view.who) door(view.who, t("The session is over: log in again.")); });
addEventListener("hashchange", () => (location.hash.startsWith("#invite=") ? start() : show()));
start();
