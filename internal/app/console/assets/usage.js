// What was spent: tokens and money, over days, by tenant and by model.

import { get, query } from "./api.js";
import { bars } from "./chart.js";
import { card, el, table } from "./dom.js";
import { number, t } from "./words.js";

const chosen = { days: "7", by: "model", what: "tokens" };

const all = (s) => s.reported.input + s.reported.output + s.estimated.input + s.estimated.output;

export const usage = {
  name: "usage", title: "Usage and cost",
  load: () => get(query("usage", { from: new Date(Date.now() + 8 * 3600e3 - (chosen.days - 1) * 86400e3).toISOString().slice(0, 10) })),
  view(u, on) {
    const set = (k) => (e) => { chosen[k] = e.target.value; if (k === "days") on.again(); else on.refresh(); };
    const pick = (k, label, options) => el("label", {}, label, el("select", { id: k, onchange: set(k) }, options.map(([v, text]) => el("option", { value: v, selected: chosen[k] === v }, text))));
    const money = chosen.what === "cost" && u.currency;
    const value = money ? (s) => Number(s.cost) + Number(s.own_cost) : all;
    const name = chosen.by === "model" ? (s) => `${s.provider}/${s.model}` : (s) => s.tenant;
    const days = between(u.from, u.to);
    const parts = new Map();
    for (const s of u.usage) {
      if (!parts.has(name(s))) parts.set(name(s), { name: name(s), values: days.map(() => 0) });
      parts.get(name(s)).values[days.indexOf(s.day)] += value(s);
    }
    const format = money ? (v) => `${number(Number(v.toFixed(4)))} ${u.currency}` : (v) => number(v);
    return el("div", {},
      u.unpriced ? el("p", { class: "hint" }, `${t("Costs are not known:")} ${u.unpriced}`) : !u.currency ? el("p", { class: "hint" }, t("There is no parley-prices: publish it, and costs are shown.")) : null,
      el("div", { class: "fields" }, pick("days", t("Days"), [["1", t("today")], ["7", t("7 days")], ["14", t("14 days")], ["30", t("30 days")]]),
        pick("by", t("Split by"), [["model", t("model")], ["tenant", t("tenant")]]), pick("what", t("Show"), [["tokens", "token"], ["cost", t("cost")]])),
      card(money ? t("Cost by day") : t("Tokens by day"), el("div", { class: "pad" }, u.usage.length ? bars(days, [...parts.values()], format) : el("p", { class: "none" }, t("Nothing was spent in these days.")))),
      totals(u));
  },
};

function between(from, to) {
  const days = [];
  for (let d = new Date(`${from}T00:00:00Z`); d <= new Date(`${to}T00:00:00Z`); d = new Date(+d + 86400e3)) days.push(d.toISOString().slice(0, 10));
  return days;
}

// totals sums up over the days, in exact amounts: money comes as text.
function totals(u) {
  const rows = new Map();
  for (const s of u.usage) {
    const key = `${s.tenant} ${s.provider} ${s.model}`;
    const r = rows.get(key) || rows.set(key, { tenant: s.tenant, model: `${s.provider}/${s.model}`, calls: 0, input: 0, cached: 0, output: 0, estimated: 0, cost: 0, own: 0, unpriced: 0 }).get(key);
    r.calls += s.reported.calls + s.estimated.calls;
    for (const k of ["input", "cached", "output"]) r[k] += s.reported[k] + s.estimated[k];
    r.estimated += s.estimated.input + s.estimated.output;
    r.cost += Number(s.cost);
    r.own += Number(s.own_cost);
    r.unpriced += s.unpriced;
  }
  const amount = (v) => (u.currency ? number(Number(v.toFixed(4))) : "–");
  return card(t("By tenant and model"), table([
    { head: t("Tenant"), cell: (r) => r.tenant },
    { head: t("Model"), cell: (r) => r.model },
    { head: t("Calls"), num: true, cell: (r) => number(r.calls) },
    { head: t("Input"), num: true, cell: (r) => number(r.input) },
    { head: t("of it cached"), num: true, cell: (r) => number(r.cached) },
    { head: t("Output"), num: true, cell: (r) => number(r.output) },
    { head: t("estimated"), num: true, cell: (r) => number(r.estimated) },
    { head: `${t("Cost")} ${u.currency}`, num: true, cell: (r) => amount(r.cost) },
    { head: t("By own keys"), num: true, cell: (r) => amount(r.own) },
    { head: t("Without price"), num: true, cell: (r) => number(r.unpriced) },
  ], [...rows.values()].sort((a, b) => b.cost - a.cost || b.input + b.output - a.input - a.output), t("Nothing was spent in these days.")));
}
