// The console's API: the same that docs/console.md describes.

export class Refused extends Error {
  constructor(status, body) {
    super(body?.error?.message || `HTTP ${status}`);
    this.status = status;
    this.code = body?.error?.code || "";
    this.act = body?.act;
  }
}

const state = { token: "", lost: () => {} };

export function remember(who) { state.token = who.token || ""; }
export function onLost(f) { state.lost = f; }

async function ask(path, options) {
  let res;
  try { res = await fetch(`api/${path}`, { ...options, cache: "no-store", credentials: "same-origin" }); } catch { throw new Refused(0, { error: { code: "unreachable", message: "" } }); }
  const body = await res.json().catch(() => null);
  if (res.ok) return body;
  if (res.status === 401 && path !== "login") state.lost();
  throw new Refused(res.status, body);
}

export const get = (path) => ask(path, { method: "GET" });

export const post = (path, body) => ask(path, { method: "POST", headers: { "Content-Type": "application/json", "X-Parley-Token": state.token }, body: JSON.stringify(body || {}) });

export const query = (path, values) => `${path}?${new URLSearchParams(Object.entries(values).filter(([, v]) => v))}`;
