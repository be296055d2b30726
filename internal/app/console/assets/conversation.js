// What is kept of a conversation, without its text. Who may and says why also sees the text, and the audit log knows of it first.

import { get, post } from "./api.js";
import { ask, field, reason } from "./dialog.js";
import { button, card, el, table, tag } from "./dom.js";
import { ago, number, t, when, why } from "./words.js";

export const conversation = {
  name: "conversation", title: "Conversation", role: "operator",
  async load(rest) {
    const [tenant, turn] = rest.split("/");
    return { tenant, turn, tenants: ((await get("status")).tenants || []).map((x) => x.tenant) };
  },
  view(d, on) {
    const inputs = {};
    const out = el("div", { id: "record", "aria-live": "polite" });
    const form = el("form", { onsubmit: (e) => { e.preventDefault(); find(); } }, el("div", { class: "fields" },
      field({ name: "tenant", label: t("Tenant"), value: d.tenant || d.tenants[0] || "", required: true, max: 32 }, inputs),
      field({ name: "channel", label: t("Channel"), placeholder: "app" }, inputs),
      field({ name: "id", label: t("Id in the channel: a user, a group, …") }, inputs),
      field({ name: "turn", label: t("or a turn, as in the log"), value: d.turn || "" }, inputs)),
    el("button", { class: "btn main", id: "find" }, t("Find")));
    const query = () => Object.fromEntries(Object.entries(inputs).map(([k, i]) => [k, i.value.trim()]));
    const find = async () => { try { show(out, await post("conversation", query()), on, query); } catch (err) { out.replaceChildren(el("p", { class: "error" }, why(err))); } };
    if (d.turn) find();
    return el("div", {}, card(t("Find a conversation"), el("div", { class: "pad" }, el("p", { class: "soft" }, t("Its text is not read. A turn is found as long as its message waits, is worked on, or is a dead letter.")), form)), out);
  },
};

function show(at, r, on, query) {
  const look = () => ask({
    title: t("Read what was written?"), text: t("These are people's own words. That you read them, and why, is entered in the audit log before they are shown."), fields: [reason()], confirm: t("Read"), risk: true,
    act: (v) => post("conversation/look", { ...query(), reason: v.reason }),
  }).then((got) => got && show(at, got, on, query));
  const facts = [
    [t("Conversation"), `${r.tenant}/${r.channel} ${r.id}`],
    [t("Worked on by"), r.owner ? el("code", {}, r.owner) : r.due ? `${t("nobody; can be claimed")} ${ago(r.due)}` : t("nobody")],
    [t("Fence"), r.fence ? String(r.fence) : "–"], [t("Attempts"), r.attempts ? String(r.attempts) : "–"],
    [t("Reply on its way"), r.parts ? `${t("part")} ${(r.next || 0) + 1} / ${r.parts}${r.tries ? `, ${r.tries} ${t("tries")}` : ""}` : t("none")],
    [t("Waiting"), number(r.waiting.length + (r.more || 0))], [t("Chosen model"), r.model || "–"], [t("Told of the switch"), r.noted || "–"],
    [t("Turns kept"), number(r.history.length)], [t("History ends"), r.forgotten ? when(r.forgotten) : "–"], [t("In the store"), el("code", {}, `${r.tenant}:${r.shard} ${r.handle}`)],
  ];
  at.replaceChildren(
    card(t("Record"), el("div", { class: "pad" }, el("dl", { class: "pair" }, facts.map(([k, v]) => [el("dt", {}, k), el("dd", {}, v)]))), on.who.look && !r.text ? button(t("Read the text…"), look, "risk", { id: "look" }) : null),
    card(t("Waiting messages, the first is worked on"), table([
      { head: t("Turn, as in the log"), cell: (w) => el("code", {}, w.turn) }, { head: t("Accepted"), cell: (w) => el("span", { title: when(w.accepted_at) }, ago(w.accepted_at)) },
      { head: t("Note"), cell: (w) => el("span", {}, w.command ? tag("", "/stop") : null, w.shed ? tag("warn", w.shed) : null) }, ...(r.text ? [{ head: t("Text"), cell: (w) => w.text || "" }] : []),
    ], r.waiting, t("None waits."))),
    card(t("Turns kept"), table([
      { head: t("When"), cell: (h) => when(h.at) }, { head: t("Question, tokens"), num: true, cell: (h) => number(h.question_tokens) }, { head: t("Answer, tokens"), num: true, cell: (h) => number(h.answer_tokens) },
      ...(r.text ? [{ head: t("Question"), cell: (h) => h.question || "" }, { head: t("Answer"), cell: (h) => h.answer || "" }] : []),
    ], r.history, t("No turn is kept."))),
    r.dead_letters.length ? card(t("Dead letters"), table([
      { head: t("Letter"), cell: (x) => el("code", {}, x.id) }, { head: t("Why"), cell: (x) => t(x.reason) }, { head: t("Given up"), cell: (x) => ago(x.given_up_at) },
    ], r.dead_letters, "")) : "");
}
