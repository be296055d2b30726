// Chats as a person does.

import { ask, signIn, watched } from "./browser.mjs";

// chat holds a conversation on a desk's screen and on a phone's, and uses every control. o.context must match the second answer, which is asked
// for something that only the first message said.
export async function chat(browser, o, checks, shot) {
  const desk = await conversation("desk", { viewport: { width: 1200, height: 820 }, locale: "zh-CN" }, browser, o, checks, shot);
  await controls(desk.page, checks, shot);
  await desk.context.close();
  const view = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: "dark" };
  const hand = await conversation("hand", view, browser, o, checks, shot);
  await keyboard(hand.page, checks, shot);
  await hand.context.close();
}

async function conversation(name, view, browser, o, checks, shot) {
  const context = await browser.newContext(view);
  const page = await watched(context, o.url, checks);
  await page.goto(o.url + o.chat);
  if (o.token) await signIn(page, o.token);
  await page.waitForSelector('#link[data-state="open"]');
  await page.waitForSelector("#empty:not([hidden])");
  await shot(page, `${name}-empty`);

  const first = await ask(page, "请记住：我最喜欢的颜色是青色。然后用三句话介绍你自己。");
  checks.ok(`${name}: the answer streams`, first.states >= 3, `only ${first.states} states were seen`);
  await shot(page, `${name}-first`);
  const second = await ask(page, "我最喜欢的颜色是什么？");
  checks.ok(`${name}: the second question is answered`, second.answer.length > 0);
  if (o.context) checks.ok(`${name}: it remembers`, new RegExp(o.context).test(second.answer), second.answer);
  checks.ok(`${name}: the page counts the turns`, /2/.test(await page.textContent("#count")));
  await shot(page, `${name}-second`);
  checks.ok(`${name}: nothing is wider than the screen`, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));

  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll("#list > li.ask .answer").length === 2);
  checks.ok(`${name}: a reload shows the conversation`, (await page.locator("#list .question").allTextContents()).join("|").includes(second.question));

  const other = await browser.newContext(view);
  const stranger = await watched(other, o.url, checks);
  await stranger.goto(o.url + o.chat);
  if (o.token) await signIn(stranger, o.token);
  await stranger.waitForSelector("#empty:not([hidden])");
  checks.ok(`${name}: another browser sees nothing of it`, (await stranger.locator("#list > li").count()) === 0);
  await other.close();
  return { context, page };
}

async function controls(page, checks, shot) {
  await checks.step("Stop ends an answer", async () => {
    await page.fill("#text", "写一篇很长的文章，介绍中国的一百座城市。");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".answer.live");
    await page.click("#stop");
    await page.waitForFunction(() => document.querySelector("#stop").hidden, null, { timeout: 10000 });
    await page.waitForFunction(() => document.querySelector("#list > li.stop .state")?.textContent);
  });
  await shot(page, "stopped");
  await checks.step("New chat draws a line", async () => {
    await page.click("#reset");
    await page.waitForSelector("#list > li.reset");
    await page.waitForFunction(() => document.querySelector("#count").textContent === "");
  });
  await checks.step("English is a choice", async () => {
    await page.click("#language");
    await page.waitForFunction(() => document.querySelector("#reset").textContent === "New chat");
  });
  await shot(page, "english");
  await page.click("#language");
  await checks.step("a message that is not stored says so and can be sent again", async () => {
    await page.route("**/messages", (r) => r.fulfill({ status: 503, contentType: "application/json", body: '{"error":{"code":"unavailable","message":"x"}}' }));
    await page.fill("#text", "这条会先失败");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".state.bad .again");
    await shot(page, "failed");
    await page.unroute("**/messages");
    await page.click(".state.bad .again");
    await page.waitForFunction(() => !document.querySelector(".state.bad") && !document.querySelector(".live, .thinking"));
  });
}

// keyboard: when it opens, what is left of the screen shows the newest text and the box to write in.
async function keyboard(page, checks, shot) {
  await page.setViewportSize({ width: 390, height: 480 });
  await checks.step("hand: with a keyboard the box and the newest text stay in sight", () => page.waitForFunction(() => {
    const box = document.querySelector(".box").getBoundingClientRect();
    const last = document.querySelector("#list > li:last-child").getBoundingClientRect();
    const list = document.querySelector("#scroll").getBoundingClientRect();
    return box.bottom <= innerHeight && last.bottom <= list.bottom + 20 && last.bottom > list.top;
  }, null, { timeout: 5000 }));
  await shot(page, "hand-keyboard");
}
