// Is it well? What is wrong stands first.

import { get } from "./api.js";
import { card, el, tag } from "./dom.js";
import { troubleText } from "./troubles.js";
import { number, t, troubleTitle } from "./words.js";

export const overview = {
  name: "overview", title: "Overview", every: 4000,
  load: () => get("status"),
  view(s) {
    const worst = s.troubles[0]?.level || "good";
    const text = { good: t("All is well"), note: t("All is well"), warn: t("Something should be looked at"), bad: t("Something is wrong") }[worst];
    const sum = (list, f) => (list || []).reduce((n, x) => n + f(x), 0);
    const known = (list, v) => (list ? number(v) : "–");
    const up = (s.servers || []).filter((x) => x.up).length;
    return el("div", {},
      el("div", { class: `verdict ${worst === "note" ? "good" : worst}`, id: "verdict", role: "status" }, text),
      el("div", { class: "tiles" },
        tile(t("servers that answer"), s.servers ? `${up} / ${s.servers.length}` : "–"),
        tile(t("answers being written"), known(s.servers, sum(s.servers, (x) => x.streams))),
        tile(t("client services"), s.not_known.clients ? "–" : number((s.clients || []).length)),
        tile(t("turns in flight"), s.not_known.clients ? "–" : number(sum(s.clients, (x) => x.turns))),
        tile(t("messages waiting"), known(s.tenants, sum(s.tenants, (x) => x.waiting))),
        tile(t("tokens today"), known(s.tenants, sum(s.tenants, (x) => tokens(x.usage_today))))),
      s.troubles.length ? card(t("What is not as it should be"), el("ul", { class: "troubles" }, s.troubles.map((x) => el("li", {},
        el("span", {}, tag(x.level === "note" ? "" : x.level, { bad: t("wrong"), warn: t("to check"), note: t("note") }[x.level])),
        el("b", {}, troubleTitle(x.code), x.what ? el("div", { class: "soft" }, x.what) : null), el("span", {}, troubleText(x.text)))))) : null);
  },
};

const tile = (text, value) => el("div", { class: "tile" }, el("b", {}, value), el("span", {}, text));

export const tokens = (u) => u.reported.input + u.reported.output + u.estimated.input + u.estimated.output;
