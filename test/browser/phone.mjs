// The dev page: two people use a phone of each platform, and the page shows the way of each message; a program uses the API.

import { watched } from "./browser.mjs";

// say sends text from the phone and waits for what comes back.
async function say(page, text) {
  const before = await page.locator("#bubbles .theirs").count();
  await page.fill("#text", text);
  await page.keyboard.press("Enter");
  await page.locator("#bubbles .mine", { hasText: text }).last().waitFor();
  await page.waitForFunction((n) => document.querySelectorAll("#bubbles .theirs").length > n, before, { timeout: 60000 });
  return page.locator("#bubbles .theirs").last().textContent();
}

export async function phone(browser, o, checks, shot) {
  for (const [name, view] of [
    ["dev", { viewport: { width: 1440, height: 900 } }],
    ["dev-dark", { viewport: { width: 1100, height: 800 }, colorScheme: "dark" }],
    ["dev-hand", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }],
  ]) {
    const context = await browser.newContext(view);
    const page = await watched(context, o.url, checks);
    await page.goto(o.url);
    await page.frameLocator("iframe").locator('#link[data-state="open"]').waitFor({ state: "attached" });
    await shot(page, `${name}-start`);
    if (name === "dev-hand") await page.click('[data-pane="phone"]');
    if (name === "dev") {
      await whole(page, o, checks);
      await each(page, o, checks, shot);
      await api(page, checks, shot);
    }
    else checks.ok(`${name}: the phone gets an answer`, (await say(page, `来自 ${name} 的问题`)).length > 0);
    await shot(page, name);
    if (name === "dev-hand") { await page.click('[data-pane="way"]'); await shot(page, `${name}-way`); }
    checks.ok(`${name}: nothing is wider than the screen`, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    if (name === "dev") await language(page, checks);
    await shot(page, `${name}-end`);
    await context.close();
  }
}

async function whole(page, o, checks) {
  const first = await say(page, "请记住：我最喜欢的颜色是青色。");
  checks.ok("phone: 张三 is answered", first.length > 0);
  const second = await say(page, "我最喜欢的颜色是什么？");
  if (o.context) checks.ok("phone: it remembers", new RegExp(o.context).test(second), second);
  await page.click('[data-member="lisi"]');
  await page.waitForFunction(() => document.querySelectorAll("#bubbles .theirs").length === 0);
  checks.ok("phone: 李四 sees nothing of it", (await page.locator("#bubbles .mine").count()) === 0);
  checks.ok("phone: 李四 is answered", (await say(page, "我是李四，你好")).length > 0);
  await page.click('[data-member="zhangsan"]');
  checks.ok("phone: 张三's messages are still there", (await page.locator("#bubbles .theirs").count()) >= 2);

  const way = (await page.locator("#steps .card").first().textContent()) ?? "";
  checks.ok("way: posted to the callback address", /POST \/callback\//.test(way), way);
  checks.ok("way: acknowledged with 200 in a time", /200 · [\d.]+ m?s/.test(way), way);
  checks.ok("way: the reply came by message/send", /message\/send/.test(way) && (await page.locator("#steps .card").first().locator(".good").count()) === 3, way);

  const chat = page.frameLocator("iframe");
  await chat.locator("#text").fill("网页和手机可以同时用吗？");
  await chat.locator("#text").press("Enter");
  await chat.locator(".answer:not(.live):not(.thinking)").first().waitFor({ timeout: 60000 });
  checks.ok("dev: the web chat beside the phone answers", true);
}

// each channel has a phone of its own, with its own conversation. Where the platform lets a message be rewritten it grows in place.
async function each(page, o, checks, shot) {
  const kinds = await page.locator("[data-device]:not([data-kind=api])").evaluateAll((list) => list.map((b) => b.dataset.kind));
  for (const kind of kinds) {
    await page.click(`[data-kind="${kind}"]`);
    if (kind === "wecom") continue; // above
    await page.waitForFunction(() => document.querySelectorAll("#bubbles .mine").length === 0);
    await page.evaluate(() => {
      window.grown = 0;
      window.watching = new MutationObserver(() => { if (document.querySelector("#bubbles .growing")) window.grown++; });
      window.watching.observe(document.querySelector("#bubbles"), { childList: true, subtree: true, attributes: true, characterData: true });
    });
    await page.fill("#text", "请记住：我最喜欢的颜色是青色。");
    await page.keyboard.press("Enter");
    await checks.step(`${kind}: the phone is answered`, () => page.locator("#bubbles .theirs:not(.growing)", { hasText: "青色" }).first().waitFor({ timeout: 30000 }));
    if (kind !== "wecomkf") checks.ok(`${kind}: the answer grows in place`, (await page.evaluate(() => window.grown)) > 2);
    await page.fill("#text", "我最喜欢的颜色是什么？");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll("#bubbles .theirs:not(.growing)").length === 2, null, { timeout: 30000 });
    if (o.context) checks.ok(`${kind}: it remembers`, new RegExp(o.context).test(await page.locator("#bubbles .theirs").last().textContent()));
    checks.ok(`${kind}: the way is shown`, (await page.locator("#steps .card").first().locator(".good").count()) === 3, await page.locator("#steps .card").first().textContent());
    await shot(page, `dev-${kind}`);
  }
}

async function api(page, checks, shot) {
  await page.click('[data-kind="api"]');
  const curl = await page.textContent("#curl");
  checks.ok("api: a command to copy", /^curl -N http:\/\/127[^ ]+\/v1\/chat\/completions[^]*Bearer sk-/.test(curl), curl);
  await page.fill("#question", "它's 会引号吗？");
  await page.click("#ask button");
  await page.locator("#api-figures", { hasText: "token" }).waitFor({ timeout: 30000 });
  checks.ok("api: answered, with its usage", /会引号吗/.test(await page.textContent("#api-answer")) && /输入 \d+ .*输出 \d+/.test(await page.textContent("#api-figures")));
  await shot(page, "dev-api");
}

async function language(page, checks) {
  await page.click("#language");
  await checks.step("dev: English reaches the frame, too", () =>
    page.frameLocator("iframe").locator("#language", { hasText: "中文" }).waitFor({ timeout: 5000 }));
}
