// What the parts of the page share: elements, times, names.

import { english, word } from "./words.js";

export const $ = (id) => document.getElementById(id);

export function make(name, className, ...content) {
  const el = document.createElement(name);
  if (className) el.className = className;
  el.append(...content);
  return el;
}

export const duration = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
export const clock = (at) => new Date(at).toLocaleTimeString(english() ? "en-GB" : "zh-CN", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

// by names who gave an answer, and why that one.
export function by(a) {
  if (!a.provider) return word("by-nobody")(a.error);
  const why = a.degraded ? word("by-degraded") : a.fallback ? word("by-fallback") : "";
  return `${a.provider}/${a.model}${why ? ` · ${why}` : ""}`;
}
