// The chat page of a tenant of one's own: what a model's answer can do to it (nothing), pictures, signing in, other sites' frames, long
// conversations, and people who do not see or do not move things.

import { access } from "./access.mjs";
import { ask, signIn, watched } from "./browser.mjs";
import { embed } from "./embed.mjs";
import { hostile } from "./hostile.mjs";
import { long } from "./long.mjs";
import { Parley } from "./parley.mjs";
import { pictures } from "./pictures.mjs";

const token = "the-token-of-this-check";
const desk = { viewport: { width: 1200, height: 820 }, locale: "zh-CN" };

export async function page(browser, o, model, checks, shot, running) {
  const parley = await Parley.own(o.parley, model, `{name: web, kind: web, access: token, tokens: [env:ACME_WEB_TOKEN], title: 小智, notice: 仅供内部使用, ideas: "第一个问题\\n第二个问题"}`);
  running.push(parley);
  const address = `${parley.url}/chat/acme/web`;
  const context = await browser.newContext({ ...desk, permissions: ["clipboard-read", "clipboard-write"] });
  const tab = await watched(context, parley.url, checks);
  await tab.goto(address);
  await door(tab, checks, shot);
  await looks(tab, checks, shot);
  await controls(tab, model, checks);
  await hostile(tab, model, checks, shot);
  await pictures(tab, model, checks, shot);
  await long(tab, context, address, model, checks, shot);
  await context.close();
  await access(browser, address, token, checks, shot);
  await embed(browser, o, model, token, checks, shot, running);
}

// door: a wrong token is told in words, and the right one opens.
async function door(tab, checks, shot) {
  await tab.waitForSelector("#door:not([hidden])");
  await tab.fill("#token", "not the token");
  await tab.keyboard.press("Enter");
  await checks.step("door: a wrong token is told in words", () => tab.locator("#login-error", { hasText: "口令不正确" }).waitFor());
  await shot(tab, "door");
  await signIn(tab, token);
}

async function looks(tab, checks, shot) {
  await tab.waitForSelector("#empty:not([hidden])");
  checks.ok("look: the tenant's title, notice and ideas", (await tab.title()) === "小智" && (await tab.textContent(".foot")).includes("仅供内部使用")
    && (await tab.locator("#ideas button").allTextContents()).join() === "第一个问题,第二个问题");
  await shot(tab, "look");
  await tab.click("#ideas button >> nth=0");
  await checks.step("look: an idea is asked", () => tab.locator(".answer:not(.live):not(.thinking)", { hasText: "收到：第一个问题" }).waitFor());
}

async function controls(tab, model, checks) {
  model.answers.set("复制我", { text: "**粗** 与\n\n```sh\necho 1\n```" });
  await ask(tab, "复制我");
  const last = tab.locator("#list > li.ask").last();
  await last.locator(".whole").click();
  await last.locator(".whole", { hasText: "已复制" }).waitFor();
  checks.ok("copy: an answer as it was written", (await tab.evaluate(() => navigator.clipboard.readText())).startsWith("**粗** 与\n\n```sh\necho 1\n```"));
  await last.locator(".code .copy").click();
  await last.locator(".code .copy", { hasText: "已复制" }).waitFor();
  checks.ok("copy: code alone", (await tab.evaluate(() => navigator.clipboard.readText())) === "echo 1");
  const asked = model.asked.length;
  await last.locator(".redo").click();
  await tab.waitForFunction(() => document.querySelectorAll("#list > li.ask").length === 3 && document.querySelector("#list > li:last-child .acts"));
  checks.ok("answer again: the same question goes to the model", model.asked[asked] === "复制我", JSON.stringify(model.asked.slice(asked)));

  await tab.fill("#text", "还没写完");
  await tab.reload();
  await tab.waitForSelector("#list > li.ask");
  checks.ok("draft: what was not sent is still there after a reload", (await tab.inputValue("#text")) === "还没写完");
  await tab.fill("#text", "");

  model.answers.set("慢慢说", { text: "字".repeat(400), size: 10, gap: 100 });
  await tab.fill("#text", "慢慢说");
  await tab.keyboard.press("Enter");
  await tab.waitForSelector(".answer.live");
  await tab.reload();
  await checks.step("reload: the answer goes on where it is", () => tab.waitForSelector(".answer.live"));
  await checks.step("reload: and ends, once", () => tab.waitForFunction(() => {
    const all = [...document.querySelectorAll("#list > li.ask")].filter((li) => li.querySelector(".question")?.textContent === "慢慢说");
    return all.length === 1 && all[0].querySelector(".answer:not(.live):not(.thinking)")?.textContent.startsWith("字".repeat(400));
  }));
}
