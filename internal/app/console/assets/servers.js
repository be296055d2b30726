// The servers as the registry lists them and as they describe themselves; one can be drained and restored.

import { get, post } from "./api.js";
import { ask, reason } from "./dialog.js";
import { button, card, el, table, tag } from "./dom.js";
import { number, t } from "./words.js";

export const servers = {
  name: "servers", title: "Servers", every: 4000,
  load: () => get("status"),
  view(s, on) {
    if (!s.servers) return el("p", { class: "error" }, `${t("Not known:")} ${s.not_known.servers}`);
    const columns = [
      { head: t("Server"), cell: (x) => el("code", {}, x.address) },
      { head: t("State"), cell: state },
      { head: t("Weight"), num: true, cell: (x) => String(x.weight) },
      { head: t("Streams"), num: true, cell: (x) => el("span", {}, `${number(x.streams)} / ${number(x.stream_limit)}`, el("div", { class: "meter" }, bar(x.streams, x.stream_limit))) },
      { head: t("Version"), cell: (x) => x.version || "" },
      { head: t("Documents"), cell: (x) => el("span", {}, (x.documents || []).map(revision)) },
      { head: "", cell: (x) => (on.who.drains && on.may("operator") ? el("div", { class: "acts" }, act(x, on)) : "") },
    ];
    return el("div", {},
      on.who.drains ? null : el("p", { class: "hint" }, t("Registry mode direct has no weights: no server can be drained here. SIGTERM ends one after its answers.")),
      card(t("Servers"), table(columns, s.servers, t("No server is registered: nothing answers."))),
      providers(s));
  },
};

function bar(n, of) {
  const i = el("i");
  i.style.width = `${of ? Math.min(100, 100 * n / of) : 0}%`;
  return i;
}

function state(x) {
  if (x.error) return el("span", {}, tag("bad", t("no answer")), el("div", { class: "soft" }, x.error));
  if (x.draining) return tag("warn", t("leaving"));
  if (!x.enabled) return tag("warn", t("disabled"));
  if (x.weight <= 0) return tag("warn", x.streams ? t("draining") : t("drained"));
  return tag("good", t("takes turns"));
}

export const revision = (d) => el("div", {}, el("span", { class: "soft" }, d.name, " "), el("code", {}, d.revision || "–"), d.refused ? el("span", {}, " ", tag("warn", t("newest refused"))) : null);

function act(x, on) {
  const out = x.weight > 0 && x.enabled;
  return button(out ? t("Drain") : t("Restore"), () => ask({
    title: `${out ? t("Drain") : t("Restore")} ${x.address}`,
    text: out ? t("It gets no new turns, and goes on with those that it has. Client services hear of it within 2 seconds.") : t("It gets turns again, by its weight beside the others."),
    fields: out ? [reason(), { name: "force", type: "checkbox", label: t("also if no other server takes turns") }] : [reason(), { name: "weight", label: t("Weight"), type: "number", value: "1", step: "any", min: "0.01" }],
    confirm: out ? t("Drain") : t("Restore"), risk: out,
    act: (v) => post(out ? "servers/drain" : "servers/undrain", out ? { server: x.address, reason: v.reason, force: v.force } : { server: x.address, reason: v.reason, weight: Number(v.weight) }),
  }).then((done) => done && on.refresh()), out ? "" : "main");
}

// providers shows how each server stands with each provider.
function providers(s) {
  const rows = s.servers.flatMap((x) => (x.providers || []).map((p) => ({ server: x.address, ...p })));
  const columns = [
    { head: t("Provider"), cell: (p) => p.name },
    { head: t("Server"), cell: (p) => el("code", {}, p.server) },
    { head: t("State"), cell: (p) => (p.open ? tag("bad", t("breaker open")) : p.needs_key && !p.keys ? tag("warn", t("without key")) : p.resting ? tag("warn", `${p.resting} / ${p.keys} ${t("keys rest")}`) : tag("good", t("usable"))) },
    { head: t("Calls in flight"), num: true, cell: (p) => number(p.in_flight) },
    { head: t("Keys"), num: true, cell: (p) => String(p.keys) },
    { head: t("Calls per key"), num: true, cell: (p) => (p.concurrency ? number(p.concurrency) : t("no limit")) },
  ];
  return card(t("Providers"), table(columns, rows, t("No server tells of providers.")));
}
