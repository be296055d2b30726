// The degradation switches: what is in force, a drill before each change, and who did what, when and why.

import { get, post } from "./api.js";
import { ask, field, reason } from "./dialog.js";
import { button, card, diff, el, table, tag } from "./dom.js";
import { ago, t, when, why } from "./words.js";

export const switches = {
  name: "switches", title: "Degradation", every: 5000,
  load: () => get("switches"),
  view(s, on) {
    const said = el("div", { id: "said", "aria-live": "polite" });
    return el("div", {},
      s.faults ? el("p", { class: "error" }, `${t("The published form is faulty and comes into force nowhere:")}\n${s.faults}`) : null,
      s.unjudged ? el("p", { class: "hint" }, s.unjudged) : null,
      on.who.read_only ? el("p", { class: "hint" }, t("The live documents here are your own: this console shows them and never writes them.")) : null,
      said,
      card(t("Switches"), table(columns(on, said), s.switches, t("There is no switch: turns go where their routes say.")),
        s.switches.some((x) => x.active) && on.may("operator") && !on.who.read_only ? button(t("Restore all"), () => restore([], on), "main", { id: "restore-all" }) : null),
      on.may("operator") && !on.who.read_only ? degrade(s, on) : null,
      history(s));
  },
};

const columns = (on) => [
  { head: t("Switch"), cell: (x) => x.id },
  { head: t("State"), cell: (x) => (x.in_force ? tag("warn", x.share < 1 ? `${t("returning")}, ${Math.round(100 * x.share)} %` : t("in force")) : tag("", x.active ? t("over") : t("off"))) },
  { head: t("Turns go to"), cell: (x) => el("span", {}, el("code", {}, x.to), (x.effect || []).map((e) => el("div", { class: "soft" }, e)), (x.no_effect || []).map((e) => el("div", { class: "soft" }, `${t("no effect:")} ${e}`))) },
  { head: t("Of"), cell: (x) => `${x.tenants.length ? x.tenants.join(", ") : t("every tenant")}${x.providers.length ? ` (${t("instead of")} ${x.providers.join(", ")})` : ""}` },
  { head: t("Until"), cell: (x) => (x.until ? `${when(x.until)}${x.ramp ? `, ${t("ramp")} ${x.ramp}` : ""}` : x.active ? t("restored") : "") },
  { head: t("By"), cell: (x) => el("span", {}, x.by, el("div", { class: "soft" }, x.reason)) },
  { head: "", cell: (x) => (x.active && on.may("operator") && !on.who.read_only ? el("div", { class: "acts" }, button(t("Restore"), () => restore([x.id], on))) : "") },
];

function restore(ids, on) {
  ask({
    title: ids.length ? `${t("Restore")} ${ids[0]}` : t("Restore all"),
    text: t("Turns go where their routes say again: all at once, or by share within a time, since providers limit how fast load may rise."),
    fields: [reason(), { name: "ramp", label: t("Return by share within"), options: [{ value: "", text: t("at once") }, "1m", "5m", "15m", "1h"], value: "" }],
    confirm: t("Restore"), act: (v) => post("switches/restore", { ids, ...v }),
  }).then((done) => done && on.refresh().then(() => show(document.getElementById("said"), done)));
}

// degrade is the form: a drill first shows what would move and what speaks against it.
function degrade(s, on) {
  const inputs = {};
  const out = el("div", { id: "plan", "aria-live": "polite" });
  const targets = s.providers.flatMap((p) => [p.name, ...p.models.map((m) => `${p.name}/${m}`)]);
  const fields = el("div", { class: "fields", oninput: () => { fields.dataset.keep = ""; } },
    field({ name: "to", label: t("To provider, or provider/model"), options: targets }, inputs),
    field({ name: "tenants", label: t("Only these tenants (empty: all)"), placeholder: "acme, beta" }, inputs),
    field({ name: "providers", label: t("Only turns that would use (empty: any)"), placeholder: s.providers.map((p) => p.name).slice(0, 2).join(", ") }, inputs),
    field({ name: "for", label: t("Restore by itself after"), options: [{ value: "", text: t("never: until restored") }, "15m", "30m", "1h", "2h", "8h", "24h"] }, inputs),
    field({ name: "ramp", label: t("the last part of it by share"), options: [{ value: "", text: t("no: all at the end") }, "1m", "5m", "15m"] }, inputs),
    field({ ...reason(), required: false }, inputs));
  const list = (v) => v.split(/[\s,，、]+/).filter(Boolean);
  const want = () => ({ to: inputs.to.value, tenants: list(inputs.tenants.value), providers: list(inputs.providers.value), for: inputs.for.value, ramp: inputs.for.value && inputs.ramp.value, reason: inputs.reason.value.trim() });
  const go = async (path, force) => {
    out.dataset.keep = "";
    for (const b of buttons) b.disabled = true;
    out.replaceChildren(el("p", { class: "soft" }, path === "drill" ? t("Asking every server…") : t("Publishing, and waiting for the servers…")));
    try {
      const done = await post(`switches/${path}`, force ? { ...want(), force } : want());
      if (path === "degrade") { inputs.reason.value = ""; document.activeElement?.blur(); await on.refresh(); show(document.getElementById("said"), done); return; }
      show(out, done, true);
    } catch (err) {
      show(out, err.act || {}, path === "drill", why(err));
      if (path === "degrade" && err.act?.objections?.length && !err.act.objections.some((o) => o.fatal)) {
        out.append(el("p", {}, button(t("Switch in spite of it"), () => go("degrade", true), "risk", { id: "force" })));
      }
    }
    for (const b of buttons) b.disabled = false;
  };
  const buttons = [button(t("Drill: show what would happen"), () => go("drill"), "", { id: "drill" }), button(t("Degrade"), () => (inputs.reason.value.trim() ? go("degrade") : inputs.reason.focus()), "risk", { id: "degrade" })];
  return card(t("Send turns elsewhere"), el("div", {}, el("div", { class: "pad" }, fields, el("div", { class: "row" }, buttons)), el("div", { class: "pad", id: "planned" }, out)));
}

// show tells what a change did, or would do.
function show(at, s, drill, error) {
  if (!at) return;
  const moves = (s.moves || []).map((m) => el("div", {}, el("b", {}, m.class), ": ", el("code", {}, m.from || t("nothing")), " → ", el("code", {}, m.to || t("nothing: they fail")), " ", el("span", { class: "soft" }, (m.tenants || []).join(", "))));
  at.replaceChildren(...[
    error ? el("p", { class: "error" }, error) : null,
    s.revision ? el("p", { class: "done" }, `${t("In force on")} ${s.have} / ${s.servers} ${t("servers")} (${(1000 * s.took_seconds).toFixed(0)} ms), ${s.revision}`) : null,
    drill && !error ? el("p", { class: s.objections?.length ? "hint" : "done" }, s.objections?.length ? t("It would be refused for what speaks against it.") : t("Nothing speaks against it.")) : null,
    moves.length ? el("div", {}, moves) : null,
    (s.notes || []).map((n) => el("p", { class: "soft" }, n)),
    (s.objections || []).map((o) => el("p", { class: "hint" }, el("b", {}, o.what), el("br"), o.mend)),
    s.difference ? diff(s.difference) : null,
  ].flat().filter(Boolean));
}

function history(s) {
  const columns = [
    { head: t("When"), cell: (e) => el("span", { title: when(e.at) }, ago(e.at)) },
    { head: t("Who"), cell: (e) => el("span", {}, e.by, " ", el("span", { class: "soft" }, t(e.via))) },
    { head: t("What"), cell: (e) => el("span", {}, t(e.action), " ", el("code", {}, e.details?.switches || e.object || ""), e.details?.to ? [" → ", el("code", {}, e.details.to)] : null) },
    { head: t("Why"), cell: (e) => el("span", {}, e.reason, e.details?.forced_in_spite_of ? el("div", { class: "soft" }, `${t("in spite of:")} ${e.details.forced_in_spite_of}`) : null, e.details?.failed ? el("div", {}, tag("bad", t("failed")), " ", e.details.failed) : null) },
  ];
  return card(t("History"), s.unread ? el("p", { class: "none" }, s.unread) : table(columns, s.history, t("No change of the switches stands in the audit log.")));
}
