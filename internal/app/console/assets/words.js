// What people read: English is written where it is used, Chinese stands in chinese.js.

import { chinese } from "./chinese.js";

const key = "parley-console-language";
let now = read();

function read() {
  try { const v = localStorage.getItem(key); if (v === "zh" || v === "en") return v; } catch { /* no storage: by the browser's language */ }
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const language = () => now;

export function setLanguage(l) {
  now = l;
  document.documentElement.lang = l === "zh" ? "zh-CN" : "en";
  try { localStorage.setItem(key, l); } catch { /* for this page alone */ }
}

export const t = (english) => (now === "zh" && chinese[english]) || english;

export const number = (n) => new Intl.NumberFormat(now === "zh" ? "zh-CN" : "en").format(n);

export const when = (at) => new Date(at).toLocaleString(now === "zh" ? "zh-CN" : "en-GB", { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function ago(at) {
  const s = (Date.now() - new Date(at)) / 1000;
  const [n, unit] = s < 90 ? [s, "second"] : s < 5400 ? [s / 60, "minute"] : s < 172800 ? [s / 3600, "hour"] : [s / 86400, "day"];
  return new Intl.RelativeTimeFormat(now === "zh" ? "zh-CN" : "en", { numeric: "auto" }).format(-Math.round(n), unit);
}

// why is what an error says: in the page's own words where the code tells all, else as the console said it.
export function why(err) {
  const known = {
    unreachable: t("The console does not answer."), timeout: t("It took too long: look whether it was done."),
    conflict: t("Somebody else changed it meanwhile: look at the new form and try again."), rate_limited: t("Too many logins failed: wait for a minute."),
  }[err.code];
  if (err.code === "unauthenticated" && err.status === 401) return t("This name and password do not fit together.");
  return known || err.message;
}

export const troubleTitle = (code) => t(titles[code] || code);

const titles = {
  unknown_servers: "The registry cannot be asked", unknown_documents: "The documents cannot be read", unknown_clients: "Redis cannot be asked",
  no_server: "No server", server_silent: "A server does not answer", server_leaving: "A server leaves", server_drained: "A server is drained", server_full: "A server is nearly full",
  server_alone: "A server counts keys alone", provider: "A provider is in trouble", no_server_takes_turns: "No server takes turns", document_refused: "A document is refused",
  split: "The fleet is split", misfit: "A tenant's document does not fit the routes", switch: "A switch is in force", switch_names: "A switch should be mended", no_client: "No client service",
  client_sees_no_server: "A client service sees no server", channel_refuses: "A platform refuses all that is sent", left_out: "A server is left out", waiting: "Messages wait too long",
  postponed: "Replies wait for their next try", dead: "Dead letters", cap: "A cap is nearly reached",
};
