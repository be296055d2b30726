// Client services, and what waits for each tenant.

import { get } from "./api.js";
import { card, el, table, tag } from "./dom.js";
import { revision } from "./servers.js";
import { ago, number, t } from "./words.js";

export const clients = {
  name: "clients", title: "Clients and tenants", every: 4000,
  load: () => get("status"),
  view(s) {
    if (s.not_known.clients) return el("p", { class: "error" }, `${t("Not known:")} ${s.not_known.clients}`);
    const tenants = [
      { head: t("Tenant"), cell: (x) => x.tenant },
      { head: t("Waiting"), num: true, cell: (x) => number(x.waiting) },
      { head: t("Running"), num: true, cell: (x) => number(x.running) },
      { head: t("Ready"), num: true, cell: (x) => number(x.ready) },
      { head: t("Oldest ready"), num: true, cell: (x) => (x.ready ? el("span", {}, x.oldest_seconds > 10 ? tag("bad", `${x.oldest_seconds.toFixed(1)} s`) : `${x.oldest_seconds.toFixed(1)} s`) : "–") },
      { head: t("Postponed"), num: true, cell: (x) => (x.postponed ? tag("warn", number(x.postponed)) : "0") },
      { head: t("Dead letters"), num: true, cell: (x) => (x.dead_letters ? el("a", { href: "#/dead" }, number(x.dead_letters)) : "0") },
      { head: t("Cap of the day"), cell: (x) => cap(x.usage_today) },
    ];
    const services = [
      { head: t("Client service"), cell: (x) => el("code", {}, x.id) },
      { head: t("Tenants"), cell: (x) => (x.tenants || []).join(", ") },
      { head: t("Turns"), num: true, cell: (x) => number(x.turns) },
      { head: t("Servers"), num: true, cell: (x) => number(x.servers) },
      { head: t("Since"), cell: (x) => ago(x.since) },
      { head: t("Version"), cell: (x) => x.version },
      { head: t("Documents"), cell: (x) => el("span", {}, (x.documents || []).map(revision)) },
    ];
    const blocked = (s.clients || []).flatMap((c) => (c.blocked || []).map((b) => ({ client: c.id, ...b })));
    return el("div", {},
      blocked.length ? card(t("Channels whose platform refuses all that is sent"), table([
        { head: t("Channel"), cell: (b) => `${b.tenant}/${b.channel}` },
        { head: t("Since"), cell: (b) => ago(b.since) },
        { head: t("Why"), cell: (b) => b.why },
        { head: t("Client service"), cell: (b) => el("code", {}, b.client) },
      ], blocked, "")) : null,
      card(t("Tenants"), table(tenants, s.tenants || [], t("No tenant is known: no client service has a heartbeat."))),
      card(t("Client services"), table(services, s.clients || [], t("No client service has a heartbeat: nobody is answered."))));
  },
};

function cap(u) {
  const b = u.budget;
  if (!b || !b.tokens_per_day) return t("none");
  const share = Math.round(100 * b.spent / b.tokens_per_day);
  const i = el("i");
  i.style.width = `${Math.min(100, share)}%`;
  return el("span", {}, `${number(b.spent)} / ${number(b.tokens_per_day)} (${share} %)`, el("div", { class: "meter" }, i));
}
