// Bars over days, one colour for each part, in SVG made here.

import { el, svg } from "./dom.js";
import { number } from "./words.js";

const colours = 8;

// bars draws parts [{name, values}] stacked over days; the largest part lies at the bottom.
export function bars(days, parts, format = number) {
  const shown = parts.slice().sort((a, b) => sum(b.values) - sum(a.values));
  const totals = days.map((_, i) => sum(shown.map((p) => p.values[i])));
  const top = nice(Math.max(...totals, 0));
  const [w, h, left, foot, head] = [innerWidth < 780 ? 360 : 960, 240, 52, 22, 8]; // at its own size, so that its text is as large as any
  const x = (i) => left + (w - left) * (i + 0.5) / days.length, width = Math.min(54, 0.66 * (w - left) / days.length);
  const y = (v) => head + (h - head - foot) * (1 - v / top);
  const chart = svg("svg", { class: "bars", viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": days.map((d, i) => `${d}: ${format(totals[i])}`).join(", ") });
  for (let i = 0; i <= 4; i++) {
    const v = top * i / 4;
    chart.append(svg("line", { class: "grid", x1: left, x2: w, y1: y(v), y2: y(v) }), svg("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, short(v)));
  }
  days.forEach((d, i) => {
    let base = 0;
    shown.forEach((p, k) => {
      if (!p.values[i]) return;
      const bar = svg("rect", { x: x(i) - width / 2, width, y: y(base + p.values[i]), height: Math.max(0.5, y(base) - y(base + p.values[i])), rx: 2 }, svg("title", {}, `${d} ${p.name}: ${format(p.values[i])}`));
      bar.style.fill = colour(k);
      chart.append(bar);
      base += p.values[i];
    });
    const most = w < 500 ? 7 : 16;
    if (i % Math.ceil(days.length / most) === 0) chart.append(svg("text", { x: x(i), y: h - 6, "text-anchor": "middle" }, d.slice(5)));
  });
  return el("div", {}, chart, el("div", { class: "legend" }, shown.map((p, k) => { const i = el("i"); i.style.background = colour(k); return el("span", {}, i, `${p.name}: ${format(sum(p.values))}`); })));
}

const colour = (k) => `var(--c${k % colours})`;
const sum = (list) => list.reduce((a, b) => a + b, 0);

// nice is the next round number, so that the grid's lines are round, too.
function nice(v) {
  if (v <= 0) return 4;
  const unit = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 4, 6, 8, 10].map((n) => n * unit).find((n) => n >= v);
}

function short(v) {
  for (const [of, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) if (v >= of) return `${Number((v / of).toFixed(1))}${unit}`;
  return String(Number(v.toFixed(2)));
}
