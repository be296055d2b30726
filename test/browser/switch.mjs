// The operator's switch of the dev page: the conversation goes on with another model, and comes back. It needs simulated models.

import { watched } from "./browser.mjs";

// ask says text in the web chat beside the switch and returns the whole answer.
async function ask(page, text) {
  const chat = page.frameLocator("iframe");
  const before = await chat.locator("#list > li.ask").count();
  await chat.locator("#text").fill(text);
  await chat.locator("#text").press("Enter");
  const answer = chat.locator("#list > li.ask").nth(before).locator(".answer:not(.live):not(.thinking)");
  await answer.waitFor({ timeout: 60000 });
  return answer.innerText();
}

const use = (page, provider) => page.locator("#models .model", { hasText: provider }).locator(".use");
const fail = (page, provider) => page.locator("#models .model", { hasText: provider }).locator(".fail");

// answering waits until the panel says who answers now.
async function answering(page, name) {
  await page.locator('#models .model[data-state="now"]', { hasText: name }).waitFor({ timeout: 15000 });
}

export async function operatorSwitch(browser, o, checks, shot) {
  const res = await fetch(`${o.url}/dev/operator`);
  const standing = res.ok ? await res.json() : null;
  if (!standing || standing.read_only || !standing.models.every((m) => m.simulated)) {
    console.log("skip the switch: it is checked on the dev page with simulated models only");
    return;
  }
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "zh-CN" });
  const page = await watched(context, o.url, checks);
  await page.goto(o.url);
  await page.frameLocator("iframe").locator('#link[data-state="open"]').waitFor({ state: "attached" });
  await answering(page, "ChatGPT");
  checks.ok("switch: nothing to restore at first", await use(page, "ChatGPT").isDisabled());
  checks.ok("switch: ChatGPT answers", /ChatGPT/.test(await ask(page, "请记住：我最喜欢的颜色是青色。")));
  await there(page, checks, shot);
  await back(page, checks, shot);
  await record(page, checks, shot);
  await fallback(page, checks, shot);
  await context.close();
  await narrow(browser, o, checks, shot);
}

// there degrades to ChatGLM and on to ERNIE, in the middle of a conversation.
async function there(page, checks, shot) {
  await page.fill("#reason", "OpenAI 故障演练");
  await use(page, "ChatGLM").click();
  await answering(page, "ChatGLM");
  checks.ok("switch: in force, since when, and how fast", /[0-9a-f]{12}.*\d\d:\d\d:\d\d.*\d m?s/.test(await page.textContent("#document")), await page.textContent("#document"));
  checks.ok("switch: the reason is shown", /OpenAI 故障演练/.test(await page.textContent("#answering")));
  const second = await ask(page, "我最喜欢的颜色是什么？");
  checks.ok("switch: the note comes first", /^（默认模型暂不可用，现由 glm-4.6 为你回答）/.test(second), second);
  checks.ok("switch: ChatGLM goes on with the context", /智谱 GLM/.test(second) && /青色.*ChatGPT/.test(second), second);
  await page.locator("#last", { hasText: "chatglm/glm-4.6 · 人工切换" }).waitFor();
  await shot(page, "switch-degraded");
  checks.ok("switch: the note comes once", !/默认模型暂不可用/.test(await ask(page, "再问一次")));
  await use(page, "ERNIE").click();
  await answering(page, "ERNIE");
  const third = await ask(page, "现在是谁？");
  checks.ok("switch: ERNIE goes on with the context", /百度文心/.test(third) && /青色/.test(third), third);
  await page.fill("#text", "手机上是谁？");
  await page.keyboard.press("Enter");
  await page.locator("#bubbles .theirs .by", { hasText: "ernie/ernie-4.5-turbo-128k · 人工切换" }).last().waitFor({ timeout: 60000 });
  checks.ok("switch: the phone says who answered", true);
  await shot(page, "switch-ernie");
}

// back restores, by ramp and at once.
async function back(page, checks, shot) {
  await page.locator(".acts button:visible", { hasText: "逐步恢复" }).click();
  await page.locator("#answering", { hasText: "正在逐步恢复" }).waitFor({ timeout: 15000 });
  await shot(page, "switch-ramp");
  await use(page, "ChatGPT").click();
  await answering(page, "ChatGPT");
  checks.ok("switch: back at ChatGPT, with the context", /ChatGPT.*\n[^]*现在是谁/.test(await ask(page, "回来了吗？")));
}

async function record(page, checks, shot) {
  await page.click("#more");
  checks.ok("switch: the difference is shown", /active: false/.test(await page.locator("#output .plus").allTextContents().then((t) => t.join(""))));
  const audit = JSON.parse(await page.textContent("#audit"));
  checks.ok("switch: the audit record says who, why and when", audit.action === "restore" && audit.by && audit.reason === "OpenAI 故障演练" && audit.time, JSON.stringify(audit));
  checks.ok("switch: the answers are listed", (await page.locator("#answers li").count()) >= 5);
  await shot(page, "switch-record");
  await page.click("#more");
}

// fallback lets ChatGPT fail: the next takes over by itself, and it comes back when it works.
async function fallback(page, checks, shot) {
  await fail(page, "ChatGPT").click();
  await answering(page, "ChatGLM");
  const answer = await ask(page, "有人吗？");
  checks.ok("switch: a fallback answers by itself", /智谱 GLM/.test(answer), answer);
  await page.locator("#last", { hasText: "chatglm/glm-4.6 · 自动接替" }).waitFor();
  await shot(page, "switch-fallback");
  await fail(page, "ChatGPT").click();
  await answering(page, "ChatGPT");
  checks.ok("switch: ChatGPT returns by itself", /ChatGPT/.test(await ask(page, "好了吗？")));
}

async function narrow(browser, o, checks, shot) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: "dark" });
  const page = await watched(context, o.url, checks);
  await page.goto(o.url);
  await page.click('[data-pane="switch"]');
  await use(page, "ChatGLM").click();
  await answering(page, "ChatGLM");
  await shot(page, "switch-hand");
  checks.ok("switch: nothing is wider than a narrow screen", await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await page.click("#language");
  await page.locator("#answering", { hasText: "Switched: ChatGLM answers" }).waitFor();
  await use(page, "ChatGPT").click();
  await answering(page, "ChatGPT");
  await shot(page, "switch-hand-english");
  await context.close();
}
