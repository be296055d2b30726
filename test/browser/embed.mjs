// The page within another site's page. 127.0.0.1 and localhost are different sites to a browser.

import { createServer } from "node:http";
import { ask, launch, signIn } from "./browser.mjs";
import { Parley } from "./parley.mjs";

export async function embed(_, o, model, token, checks, shot, running) {
  let address = "";
  const site = createServer((req, res) => {
    res.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
    res.end(`<!doctype html><title>内网</title><h1>公司内网</h1><iframe src="${address}" width="420" height="640" title="chat"></iframe>`);
  }).listen(0, "127.0.0.1");
  await new Promise((done) => { site.on("listening", done); });
  running.push({ stop: () => { site.closeAllConnections(); site.close(); } });
  const intranet = `http://localhost:${site.address().port}`;
  const parley = await Parley.own(o.parley, model, `{name: web, kind: web, access: token, tokens: [env:ACME_WEB_TOKEN], embed: "${intranet}"}`);
  running.push(parley);
  address = `${parley.url}/chat/acme/web`;

  // As browsers that keep no third party's cookie unless it is partitioned.
  const strict = await launch(o, ["--test-third-party-cookie-phaseout"]);
  try {
    const context = await strict.newContext({ viewport: { width: 800, height: 780 } });
    const page = await context.newPage();
    await page.goto(intranet);
    const frame = page.frames()[1];
    await signIn(frame, token);
    const cookies = await context.cookies();
    checks.ok("embed: the cookie is partitioned", cookies.length === 1 && cookies[0].sameSite === "None" && cookies[0].secure, JSON.stringify(cookies));
    await frame.locator("#text").fill("嵌在内网里");
    await frame.locator("#text").press("Enter");
    await frame.locator(".answer:not(.live):not(.thinking)", { hasText: "收到：嵌在内网里" }).waitFor();
    await shot(page, "embedded");
    await page.reload();
    await checks.step("embed: who signed in within a frame stays signed in, with the conversation", () =>
      page.frames()[1].locator(".question", { hasText: "嵌在内网里" }).waitFor({ timeout: 10000 }));
    const alone = await context.newPage();
    await alone.goto(address);
    await checks.step("embed: the page alone is another visitor", () => alone.waitForSelector("#door:not([hidden])", { timeout: 10000 }));
    await signIn(alone, token);
    checks.ok("embed: who sees nothing of it", (await alone.locator("#list > li").count()) === 0);
    checks.ok("embed: and is answered", (await ask(alone, "不在框里")).answer.length > 0);
    // A site that the tenant does not name.
    await page.goto(intranet.replace("localhost", "127.0.0.1"));
    await checks.step("embed: no other site may frame it", async () => (await page.frames()[1].locator("#token, #text").count()) === 0);
    await cross(page, address, checks);
  } finally { await strict.close(); }
}

// cross: a page of another site, with the person's cookies at hand, can say nothing and read nothing.
async function cross(page, address, checks) {
  const got = await page.evaluate(async (address) => {
    const out = [];
    for (const [path, init] of [
      ["/messages", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"text":"x"}' }], ["/messages", { method: "POST", body: '{"text":"x"}' }],
      ["/logout", { method: "POST", body: "{}" }], ["/session", {}], ["/events", {}],
    ]) {
      try { const r = await fetch(address + path, { ...init, credentials: "include" }); out.push(`${path} ${r.status} read`); } catch { out.push("refused"); }
    }
    return out;
  }, address);
  checks.ok("embed: another site's script says and reads nothing", got.every((g) => g === "refused"), got.join(", "));
}
