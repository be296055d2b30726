// The live documents: what is published, what is wrong with it, who refused it; and a change, judged and shown before it is published.

import { get, post } from "./api.js";
import { ask, reason } from "./dialog.js";
import { button, card, diff, el, table, tag } from "./dom.js";
import { t, why } from "./words.js";

export const documents = {
  name: "documents", title: "Documents",
  async load(name) {
    if (name) return { one: await get(`documents/${encodeURIComponent(name)}`) };
    const [list, status] = await Promise.all([get("documents"), get("status")]);
    return { list: list.documents, refused: refusals(status) };
  },
  view: (d, on) => (d.one ? one(d.one, on) : list(d, on)),
};

// refusals gathers by document which instances do not have the newest form in force, and why.
function refusals(status) {
  const by = {};
  for (const who of [...(status.servers || []).map((s) => ({ id: s.address, ...s })), ...(status.clients || [])]) {
    for (const d of who.documents || []) if (d.refused) (by[d.name] ||= []).push({ id: who.id, why: d.refused });
  }
  return by;
}

function list(d, on) {
  const columns = [
    { head: t("Document"), cell: (x) => el("a", { href: `#/documents/${x.name}` }, x.name) },
    { head: t("Revision"), cell: (x) => el("code", {}, x.revision) },
    { head: t("State"), cell: (x) => el("span", {}, x.faults.length ? tag("bad", t("faulty")) : d.refused[x.name] ? tag("warn", t("refused")) : tag("good", t("fine")), x.warnings.length ? [" ", tag("warn", t("warning"))] : null,
      [...x.faults, ...x.warnings].map((f) => el("div", { class: "soft" }, f)), (d.refused[x.name] || []).map((r) => el("div", { class: "soft" }, `${t("refused by")} ${r.id}: ${r.why}`))) },
  ];
  const fresh = () => ask({
    title: t("New document"), text: t("tenant.NAME is a tenant; parley-routes, parley-degradation and parley-prices are for all."), fields: [{ name: "name", label: t("Name"), required: true, placeholder: "tenant.beta", max: 60 }], confirm: t("Edit"),
    act: (v) => { location.hash = `#/documents/${v.name}`; },
  });
  return card(t("Live documents"), table(columns, d.list, t("There is no document.")), on.may("admin") && !on.who.read_only ? button(t("New document"), fresh) : null);
}

function one(d, on) {
  const text = el("textarea", { class: "text", id: "text", spellcheck: "false", "aria-label": d.name, readonly: !on.may("operator"), oninput: () => { text.dataset.keep = ""; publish.disabled = true; out.replaceChildren(); } });
  text.value = d.content || "";
  const out = el("div", { id: "judged", "aria-live": "polite" });
  const path = `documents/${encodeURIComponent(d.name)}`;
  const judge = async () => {
    check.disabled = true;
    try {
      const j = await post(`${path}/check`, { content: text.value });
      show(out, j);
      publish.disabled = j.faults.length + j.elsewhere.length > 0 || !j.difference || (j.base || "") !== (d.revision || "");
      if ((j.base || "") !== (d.revision || "")) out.prepend(el("p", { class: "error" }, t("Somebody else changed it meanwhile: look at the new form and try again.")));
    } catch (err) { out.replaceChildren(el("p", { class: "error" }, why(err))); }
    check.disabled = false;
  };
  const send = () => ask({
    title: `${t("Publish")} ${d.name}`, text: t("Every instance takes it over within seconds. One that finds it faulty keeps the form before."), fields: [reason()], confirm: t("Publish"),
    act: (v) => post(`${path}/publish`, { content: text.value, base: d.revision || "", reason: v.reason }),
  }).then((done) => { if (done) { delete text.dataset.keep; on.again(); } });
  const check = button(t("Check and compare"), judge, "main", { id: "check" });
  const publish = button(t("Publish"), send, "risk", { id: "publish", disabled: true });
  const faults = [...(d.faults || []).map((f) => el("p", { class: "error" }, f)), ...(d.warnings || []).map((f) => el("p", { class: "hint" }, f))];
  return el("div", {},
    el("p", {}, el("a", { href: "#/documents" }, `← ${t("Live documents")}`)),
    d.masked ? el("p", { class: "hint" }, t("What stands where a reference to a secret belongs, and is none, is not shown (***).")) : null, faults,
    card(d.name, el("div", { class: "pad" }, text), el("code", {}, d.revision || t("does not exist yet"))),
    on.may("operator") ? el("div", { class: "row" }, check, on.may("admin") && !on.who.read_only ? publish : null) : null,
    el("p", {}), out);
}

function show(at, j) {
  at.replaceChildren(...[
    j.faults.map((f) => el("p", { class: "error" }, f)),
    j.elsewhere.map((f) => el("p", { class: "error" }, `${t("It would make another document faulty:")} ${f}`)),
    j.warnings.map((f) => el("p", { class: "hint" }, f)),
    j.faults.length + j.elsewhere.length ? [] : el("p", { class: "done" }, j.difference ? t("Nothing is wrong with it. This is what publishing it changes:") : t("Nothing is wrong with it, and it is as published.")),
    j.difference ? diff(j.difference) : [],
  ].flat());
}
