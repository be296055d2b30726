// The audit log, verified whole each time that it is read.

import { get, query } from "./api.js";
import { button, card, el, table } from "./dom.js";
import { number, t, when } from "./words.js";

const chosen = { tenant: "", before: "" };

export const audit = {
  name: "audit", title: "Audit log", role: "operator",
  load: () => get(query("audit", chosen)),
  view(a, on) {
    const tenant = el("input", { id: "tenant", value: chosen.tenant, placeholder: t("what operators did"), maxlength: 32 });
    const go = (e) => { e.preventDefault(); chosen.tenant = tenant.value.trim(); chosen.before = ""; on.again(); };
    const columns = [
      { head: "#", cell: (e) => String(e.seq) },
      { head: t("When"), cell: (e) => when(e.at) },
      { head: t("Who"), cell: (e) => el("span", {}, e.by || "–", " ", el("span", { class: "soft" }, t(e.via || ""))) },
      { head: t("What"), cell: (e) => el("span", {}, el("b", {}, t(e.action)), " ", e.tenant ? `${e.tenant} ` : "", el("code", {}, e.object || ""), Object.entries(e.details || {}).filter(([, v]) => v).map(([k, v]) => el("div", { class: "soft" }, `${k}: ${v}`))) },
      { head: t("Why"), cell: (e) => e.reason || "" },
      { head: t("Hash"), cell: (e) => el("code", { title: e.hash }, e.hash.slice(0, 10)) },
    ];
    return el("div", {},
      el("div", { class: `verdict ${a.findings.length ? "bad" : "good"}`, id: "chain" }, a.findings.length ? t("The log is not as it was written.") : `${t("The chain is whole:")} ${number(a.total)} ${t("entries")}`),
      a.findings.map((f) => el("p", { class: "error" }, `#${f.seq}: ${f.what}`)),
      a.newest ? el("p", { class: "soft" }, t("Newest entry; kept elsewhere, it shows later whether the log was written anew (parley audit --anchor):"), " ", el("code", { id: "anchor" }, a.newest)) : null,
      el("form", { class: "row", onsubmit: go }, el("label", {}, t("Log of a tenant's people (/forget), or"), tenant), el("button", { class: "btn", id: "show" }, t("Show"))),
      card(t("Entries"), table(columns, a.entries, t("No entry."))),
      el("div", { class: "row" }, chosen.before ? button(t("Newest"), () => { chosen.before = ""; on.again(); }) : null, a.next ? button(t("Older"), () => { chosen.before = a.next; on.again(); }) : null));
  },
};
