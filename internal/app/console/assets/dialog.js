// A dialog that asks for a few fields, says what went wrong, and closes when it is done.

import { el } from "./dom.js";
import { t, why } from "./words.js";

// ask shows fields [{name, label, type, value, options, required, placeholder, hint}] and runs act(values) when they are confirmed. It gives what act
// gives, or null if nobody wanted it.
export function ask({ title, text, fields = [], confirm, risk, act }) {
  return new Promise((done) => {
    const inputs = {};
    const said = el("p", { class: "error", hidden: true, role: "alert" });
    const go = el("button", { class: `btn ${risk ? "risk" : "main"}` }, confirm || t("OK"));
    const form = el("form", {
      method: "dialog",
      onsubmit: async (e) => {
        e.preventDefault();
        go.disabled = true;
        const values = Object.fromEntries(Object.entries(inputs).map(([k, i]) => [k, i.type === "checkbox" ? i.checked : i.value.trim()]));
        try { finish(await act(values) ?? {}); } catch (err) {
          said.textContent = why(err);
          said.hidden = false;
          go.disabled = false;
          said.scrollIntoView({ block: "nearest" });
        }
      },
    }, el("h2", {}, title), text ? el("p", {}, text) : null, said,
    fields.map((f) => field(f, inputs)),
    el("div", { class: "row" }, el("button", { type: "button", class: "btn", onclick: () => finish(null) }, t("Cancel")), go));
    const box = el("dialog", { oncancel: (e) => { e.preventDefault(); finish(null); } }, form);
    const finish = (v) => { box.close(); box.remove(); done(v); };
    document.body.append(box);
    box.showModal();
    (Object.values(inputs)[0] || go).focus();
  });
}

export function field(f, inputs) {
  let input;
  if (f.options) input = el("select", { name: f.name }, f.options.map((o) => el("option", { value: o.value ?? o, selected: (o.value ?? o) === f.value }, o.text ?? o)));
  else if (f.type === "area") input = el("textarea", { name: f.name, rows: 3, required: f.required, placeholder: f.placeholder });
  else input = el("input", { name: f.name, type: f.type || "text", required: f.required, placeholder: f.placeholder, maxlength: f.max || 1000, step: f.step, min: f.min, checked: f.type === "checkbox" && f.value });
  if (f.value !== undefined && f.type !== "checkbox") input.value = f.value;
  inputs[f.name] = input;
  return f.type === "checkbox" ? el("label", {}, input, f.label) : el("label", {}, f.label, input);
}

export const reason = () => ({ name: "reason", label: t("Reason, for the audit log"), required: true, max: 300 });
