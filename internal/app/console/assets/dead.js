// Messages that were given up: all about them but their text and whose they are.

import { get, post } from "./api.js";
import { ask, reason } from "./dialog.js";
import { button, card, el, table } from "./dom.js";
import { ago, t } from "./words.js";

export const dead = {
  name: "dead", title: "Dead letters", every: 6000,
  load: () => get("dead"),
  view(d, on) {
    const may = on.may("operator");
    const picks = new Map();
    const acts = el("span", { class: "row" }, button(t("Retry"), () => deal("retry"), "main", { id: "retry", disabled: true }), button(t("Drop"), () => deal("drop"), "risk", { id: "drop", disabled: true }));
    const picked = () => [...picks].filter(([, box]) => box.checked).map(([id]) => id);
    const update = () => {
      for (const b of acts.children) b.disabled = !picked().length;
      acts.toggleAttribute("data-keep", picked().length > 0);
    };
    const everyone = el("input", { type: "checkbox", id: "every", "aria-label": t("all"), onchange: () => { for (const box of picks.values()) box.checked = everyone.checked; update(); } });
    const deal = (action) => ask({
      title: action === "retry" ? t("Have them answered after all?") : t("Forget them for good?"),
      text: `${picked().length} × ${action === "retry" ? t("put at the end of their conversations, as new messages") : t("dropped: nobody is answered or told")}`,
      fields: [reason()], confirm: action === "retry" ? t("Retry") : t("Drop"), risk: action === "drop",
      act: (v) => post(`dead/${action}`, { ids: picked(), reason: v.reason }),
    }).then((done) => done && on.refresh());
    const box = (r) => {
      const b = el("input", { type: "checkbox", "aria-label": r.id, onchange: update });
      picks.set(r.id, b);
      return b;
    };
    const columns = [
      { head: t("Letter"), cell: (r) => el("span", {}, may ? box(r) : null, el("code", {}, r.id)) },
      { head: t("Channel"), cell: (r) => `${r.tenant}/${r.channel}` },
      { head: t("Why"), cell: (r) => t(r.reason) },
      { head: t("Given up"), cell: (r) => ago(r.given_up_at) },
      { head: t("Accepted"), cell: (r) => ago(r.accepted_at) },
      { head: t("Attempts"), num: true, cell: (r) => (r.attempts ? String(r.attempts) : "–") },
      { head: t("Turn, as in the log"), cell: (r) => (may ? el("a", { href: `#/conversation/${r.tenant}/${r.turn}` }, el("code", {}, r.turn)) : el("code", {}, r.turn)) },
    ];
    return el("div", {}, d.more ? el("p", { class: "hint" }, `+ ${d.more}`) : null,
      card(t("Dead letters"), table(columns, d.letters, t("No message was given up in the last 7 days.")), may && d.letters.length ? [el("label", { class: "soft" }, everyone, t("all")), acts] : null));
  },
};
