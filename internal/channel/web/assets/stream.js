// The event stream of the conversation, and posting to it. The browser resumes a broken stream by itself (Last-Event-ID); this adds
// what it does not do: closing while nobody looks, and finding out why a stream was refused.

export class Stream {
  #source = null;
  #last = "";
  #timer = 0;
  #tries = 0;
  #paused = false;
  #on;
  #base;

  // on: {part, live, ready, trouble, state, refused}
  constructor(base, on) {
    this.#base = base;
    this.#on = on;
    document.addEventListener("visibilitychange", () => this.#visible());
    addEventListener("online", () => { if (!this.#source) this.open(); });
  }

  open() {
    this.close();
    this.#on.state("connecting");
    const source = new EventSource(`${this.#base}/events${this.#last ? `?after=${encodeURIComponent(this.#last)}` : ""}`);
    this.#source = source;
    source.addEventListener("open", () => { this.#tries = 0; this.#on.state("open"); });
    source.addEventListener("part", (e) => { this.#last = e.lastEventId; this.#on.part(JSON.parse(e.data)); });
    for (const name of ["live", "ready", "trouble"]) source.addEventListener(name, (e) => this.#on[name](JSON.parse(e.data)));
    source.addEventListener("error", () => {
      this.#on.state("lost");
      if (source.readyState === EventSource.CLOSED && source === this.#source) this.#ask();
    });
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  // forget starts from the oldest part again, for another person.
  forget() { this.close(); this.#last = ""; }

  // ask finds out why the stream was refused, and comes back later unless the person must do something.
  async #ask() {
    this.close();
    const wait = Math.min(1000 * 2 ** this.#tries++, 30000);
    let session = null;
    try {
      const res = await fetch(`${this.#base}/session`);
      if (res.status === 404 || res.status === 403) {
        this.#timer = setTimeout(() => this.open(), 30000); // a tenant that is suspended may come back
        return this.#on.refused(res.status === 404 ? "not_found" : "forbidden");
      }
      if (res.ok) session = await res.json();
    } catch { /* the network is down: try again */ }
    if (session && !session.signed_in) return this.#on.refused("unauthenticated");
    this.#timer = setTimeout(() => this.open(), wait);
  }

  // A page that nobody looks at for a while needs no connection; browsers allow only a few to one host.
  #visible() {
    clearTimeout(this.#timer);
    if (document.visibilityState === "hidden") {
      if (this.#source) this.#timer = setTimeout(() => { this.close(); this.#paused = true; }, 60000);
    } else if (this.#paused) {
      this.#paused = false;
      this.open();
    }
  }
}

// signedIn asks whether the browser sends a good cookie; if nobody knows, the stream finds out.
export async function signedIn(base) {
  try {
    const res = await fetch(`${base}/session`);
    return !res.ok || (await res.json()).signed_in;
  } catch { return true; }
}

const codes = { 403: "forbidden", 404: "not_found", 413: "too_large", 429: "rate_limited" };

// post sends JSON and returns "" or the code of what went wrong.
export async function post(address, body) {
  let res;
  try {
    // Pictures take their time on a slow line.
    res = await fetch(address, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal: AbortSignal.timeout(body.images ? 60000 : 15000),
    });
  } catch { return "network"; }
  if (res.ok) return "";
  try { return (await res.json()).error.code; } catch { return codes[res.status] ?? "unavailable"; }
}

// newID makes an id that no other message has. It does not use randomUUID, which plain http does not offer.
export function newID() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
}
