// Operates Parley as somebody on call does: logs in by the link that parley dev prints, looks, drills, degrades, restores, publishes, reads the audit.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { watched } from "./browser.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const names = ["overview", "servers", "clients", "switches", "usage", "dead", "documents", "conversation", "audit"];
const prices = "currency: CNY\nprices:\n  - {model: openai/*, from: 2026-01-01, input: 18, output: 72}\n";

export async function operatorsConsole(browser, o, parley, checks, shot) {
  for (const question of ["你好", "介绍一下你自己", "写一首诗"]) await said(o.url, question);
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: "zh-CN" });
  const page = await watched(context, o.url, checks);
  const link = await parley.invitation();
  await page.goto(link);
  await page.waitForSelector("#verdict");
  checks.ok("console: the link logs in, and is not kept in the address", !page.url().includes("invite"), page.url());
  checks.ok("console: it begins in Chinese for who reads Chinese", (await page.textContent("h1")) === "总览");
  checks.ok("console: all is well", (await page.getAttribute("#verdict", "class")).includes("good"), await page.textContent("#verdict"));
  const open = (name) => show(page, name);

  await open("switches");
  await page.selectOption("select[name=to]", "chatglm");
  await page.click("#drill");
  await page.waitForSelector("#plan .diff");
  checks.ok("console: a drill shows what moves", /openai\/.* → .*chatglm/.test((await page.textContent("#plan")).replace(/\s+/g, " ")), await page.textContent("#plan"));
  checks.ok("console: and changes nothing", (await page.locator("#said .done").count()) === 0 && (await said(o.url, "谁在回答？")) === "");
  await shot(page, "console-drill");
  await page.fill("input[name=reason]", "演示：OpenAI 故障");
  await page.click("#degrade");
  await page.waitForSelector("#said .done");
  checks.ok("console: the switch is in force on every server", /1 \/ 1/.test(await page.textContent("#said .done")), await page.textContent("#said"));
  checks.ok("console: and the next turn goes there", (await said(o.url, "现在呢？")) !== "", "no note");
  checks.ok("console: the history says who and why", /local.*演示：OpenAI 故障/s.test(await page.textContent("main")));
  await shot(page, "console-switches");
  await open("overview");
  checks.ok("console: the overview tells of the switch", (await page.textContent(".troubles")).includes("开关生效中"));
  await shot(page, "console-overview");
  await open("switches");
  await page.click("#restore-all");
  await page.fill("dialog input[name=reason]", "已恢复");
  await shot(page, "console-restore");
  await page.click("dialog .main");
  await page.waitForFunction(() => !document.querySelector("#restore-all"));
  checks.ok("console: turns return", (await said(o.url, "好了吗？")) === "");

  await publish(page, open, checks, shot);
  await open("usage");
  checks.ok("console: usage is drawn", (await page.locator(".bars rect").count()) > 0);
  await page.selectOption("#what", "cost");
  await page.waitForFunction(() => document.querySelector("main h2").textContent.includes("费用"));
  checks.ok("console: with its cost", /CNY/.test(await page.textContent(".legend")), await page.textContent(".legend"));
  await shot(page, "console-usage");
  await conversations(page, o, open, checks, shot, browser);
  await open("audit");
  checks.ok("console: the audit log is whole and has it all", (await page.getAttribute("#chain", "class")).includes("good") && /降级.*演示/s.test(await page.textContent("main")), await page.textContent("#chain"));
  await shot(page, "console-audit");
  await english(page, checks, shot);
  await sessions(browser, page, o, link, checks);
  await context.close();
  await small(browser, o, parley, checks, shot);
}

async function show(page, name) {
  if (new URL(page.url()).hash !== `#/${name}`) await page.click(`nav a[data-page=${name}]`); else await page.reload();
  await page.waitForSelector(`main[data-page=${name}]`);
}

// said asks as a program does and gives what the answer says of another model; empty: nothing.
async function said(url, question) {
  const res = await fetch(`${url}/v1/chat/completions`, {
    method: "POST", headers: { Authorization: "Bearer sk-demo-of-this-parley-dev", "Content-Type": "application/json" },
    body: JSON.stringify({ model: "chat", messages: [{ role: "user", content: question }] }),
  });
  const body = await res.json();
  return /glm/i.test(body.choices?.[0]?.message?.content || "") || /glm/i.test(body.model || "") ? "glm" : "";
}

// publish changes a document: what is faulty is named and cannot be published, what changes is shown first.
async function publish(page, open, checks, shot) {
  await open("documents");
  await shot(page, "console-documents");
  await page.click("a[href='#/documents/tenant.demo']");
  await page.waitForSelector("#text");
  const before = await page.inputValue("#text");
  await page.fill("#text", before + "limits_: {}\n");
  await page.click("#check");
  await page.waitForSelector("#judged .error");
  checks.ok("console: a faulty document is named, with its line", /tenant\.demo:\d+/.test(await page.textContent("#judged")), await page.textContent("#judged"));
  checks.ok("console: and cannot be published", await page.isDisabled("#publish"));
  await page.fill("#text", before.replace(/^system_prompt:.*$/m, "system_prompt: 你是公司的助手。"));
  await page.click("#check");
  await page.waitForSelector("#judged .diff .add");
  await shot(page, "console-document");
  await page.click("#publish");
  await page.fill("dialog input[name=reason]", "更换提示词");
  await page.click("dialog .main");
  await page.waitForFunction(() => document.querySelector("#text")?.value.includes("你是公司的助手") && document.querySelector("#publish")?.disabled);
  checks.ok("console: a document is published", true);
  await page.evaluate(() => { location.hash = "#/documents/parley-prices"; });
  await page.waitForFunction(() => document.querySelector("h2")?.textContent === "parley-prices");
  await page.fill("#text", prices);
  await page.click("#check");
  await page.waitForSelector("#judged .done, #judged .error");
  checks.ok("console: prices are judged", (await page.locator("#judged .done").count()) === 1, await page.textContent("#judged"));
  await page.click("#publish");
  await page.fill("dialog input[name=reason]", "价格");
  await page.click("dialog .main");
  await page.waitForFunction(() => /^[0-9a-f]{12}$/.test(document.querySelector(".card code")?.textContent || ""));
}

// conversations: a record without its text, and with it for who says why.
async function conversations(page, o, open, checks, shot, browser) {
  const other = await browser.newContext();
  const chat = await other.newPage();
  await chat.goto(o.url + o.chat);
  await chat.waitForSelector("#link[data-state=open]");
  await chat.fill("#text", "这是我的秘密");
  await chat.keyboard.press("Enter");
  await chat.waitForFunction(() => document.querySelector("#list .answer:not(.live):not(.thinking)")?.textContent.length > 0);
  const cookie = (await other.cookies()).map((c) => c.value).join(" ");
  await other.close();
  await open("conversation");
  checks.ok("console: a conversation can be looked for", (await page.locator("input[name=turn]").count()) === 1 && cookie.length > 0);
  await page.fill("input[name=channel]", "web");
  await page.fill("input[name=id]", "nobody");
  await page.click("#find");
  await page.waitForSelector("#record .error");
  await shot(page, "console-conversation");
}

async function english(page, checks, shot) {
  await page.click("#language");
  await page.waitForFunction(() => document.querySelector("h1").textContent === "Audit log");
  for (const name of names) {
    await show(page, name);
    const rest = (await page.textContent(".shell")).match(/[\u4e00-\u9fff]+/g) || [];
    const own = rest.filter((w) => !/中文|演示|故障|恢复|提示词|价格|助手|公司|你是/.test(w));
    checks.ok(`console: ${name} is all English`, own.length === 0, own.join(" "));
    checks.ok(`console: ${name} fits the screen`, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await shot(page, `console-english-${name}`);
  }
}

// sessions: the link works once, another browser sees nothing, and a logout ends it.
async function sessions(browser, page, o, link, checks) {
  const other = await browser.newContext();
  const stranger = await watched(other, o.url, checks);
  await stranger.goto(link);
  await stranger.waitForSelector("#password");
  checks.ok("console: the link logs in once", true);
  await stranger.fill("#name", "admin");
  await stranger.fill("#password", "a guess of mine");
  await stranger.click(".door .main");
  await stranger.waitForSelector(".door .error:not([hidden])");
  checks.ok("console: a guess does not log in", (await stranger.locator("#verdict").count()) === 0);
  await other.close();
  await page.click("#logout");
  await page.waitForSelector("#password");
  await page.reload();
  await page.waitForSelector("#password");
  checks.ok("console: a logout ends the session", (await page.request.get(`${o.url}/console/api/status`)).status() === 401);
}

// small is a phone, in the dark, and the rules of axe-core on every page.
async function small(browser, o, parley, checks, shot) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: "dark", locale: "zh-CN" });
  const page = await watched(context, o.url, checks);
  await page.goto(`${o.url}/console/`);
  await page.waitForSelector("#password");
  await shot(page, "console-phone-login");
  await page.goto(await parley.invitation());
  await page.waitForSelector("#verdict");
  for (const name of names) {
    await show(page, name);
    await page.evaluate(axe);
    const found = await page.evaluate(async () => (await window.axe.run(document)).violations.map((v) => `${v.id} (${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")})`));
    checks.ok(`console: phone: ${name} keeps the rules of access`, found.length === 0, found.join("; "));
    checks.ok(`console: phone: ${name} is no wider than the screen`, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    await shot(page, `console-phone-${name}`);
  }
  await context.close();
}
