// What every check here needs: options, a headless browser, waiting, and pictures.

import { mkdir } from "node:fs/promises";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

// options reads --name value pairs.
export function options(defaults) {
  const o = { ...defaults };
  for (let i = 2; i < process.argv.length; i += 2) {
    const name = process.argv[i].replace(/^--/, "");
    if (!(name in o) || process.argv[i + 1] === undefined) {
      console.error(`unknown or unfinished option ${process.argv[i]}; there are: ${Object.keys(o).map((k) => `--${k}`).join(" ")}`);
      process.exit(2);
    }
    o[name] = process.argv[i + 1];
  }
  return o;
}

export async function launch(o, more = []) {
  const found = [o.browser, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((p) => p && existsSync(p));
  if (!found) {
    console.error("no browser found: install chromium, or name one with --browser PATH");
    process.exit(2);
  }
  await mkdir(o.shots, { recursive: true });
  return chromium.launch({
    executablePath: found,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", ...more],
  });
}

// Checks collects what is right and what is not; the process fails if anything was not.
export class Checks {
  failed = 0;
  ok(name, good, detail = "") {
    console.log(`${good ? "ok  " : "FAIL"} ${name}${good || !detail ? "" : `: ${detail}`}`);
    if (!good) this.failed++;
    return good;
  }
  async step(name, f) {
    try { this.ok(name, (await f()) !== false); } catch (e) { this.ok(name, false, String(e.message).split("\n")[0]); }
  }
}

// watched opens a page and notes what must not happen: errors, refusals by the page's policy, requests to elsewhere.
export async function watched(context, origin, checks) {
  const page = await context.newPage();
  page.on("pageerror", (e) => checks.ok("no script error", false, e.message));
  page.on("console", (m) => { if (m.type() === "error" && /Content Security|Trusted|Uncaught/.test(m.text())) checks.ok("no refusal by the policy", false, m.text()); });
  page.on("request", (r) => { if (!r.url().startsWith(origin) && !r.url().startsWith("data:")) checks.ok("nothing from elsewhere", false, r.url()); });
  return page;
}

// ask sends text and follows the answer; it returns every state of it that was seen.
export async function ask(page, text) {
  const before = await page.locator("#list > li.ask").count();
  await page.fill("#text", text);
  await page.keyboard.press("Enter");
  const turn = page.locator("#list > li.ask").nth(before);
  await turn.waitFor();
  const seen = new Set();
  for (let end = Date.now() + 120000; Date.now() < end; await page.waitForTimeout(30)) {
    const [text, done] = await turn.evaluate((li) => {
      const a = li.querySelector(".answer");
      return [a && !a.classList.contains("thinking") ? a.textContent : "", a !== null && !a.classList.contains("live") && !a.classList.contains("thinking")];
    });
    if (text) seen.add(text);
    if (done) return { question: await turn.locator(".question").textContent(), answer: text, states: seen.size };
  }
  throw new Error("no answer within two minutes");
}

// signIn takes a page or a frame.
export async function signIn(page, token) {
  await page.locator("#door:not([hidden])").waitFor();
  await page.locator("#token").fill(token);
  await page.locator("#token").press("Enter");
  await page.locator('#link[data-state="open"]').waitFor({ state: "attached" });
}
