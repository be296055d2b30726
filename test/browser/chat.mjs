// Chats as a person does, in a real browser. Usage:
//   npm install && node chat.mjs --url http://127.0.0.1:8080 [--chat /chat/TENANT/CHANNEL] [--token T] [--context REGEX] [--phone yes|no] [--switch yes|no]
// --url is what `parley dev` prints; without --chat the dev page's own chat is found. --context must match the second answer, which
// is asked for something that only the first message said. Pictures go to shots/. Exit status: 0, or 1 if anything was not right.

import { Checks, launch, options, watched } from "./browser.mjs";
import { phone } from "./phone.mjs";
import { operatorSwitch } from "./switch.mjs";

const o = options({ url: "http://127.0.0.1:8080", chat: "", token: "", context: "", phone: "yes", switch: "yes", browser: "", shots: "shots" });
const checks = new Checks();
const browser = await launch(o);
const shot = (page, name) => page.screenshot({ path: `${o.shots}/${name}.png` });

// ask sends text and follows the answer; it returns every state of it that was seen.
async function ask(page, text) {
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

async function signIn(page) {
  await page.waitForSelector("#door:not([hidden])");
  await shot(page, "sign-in");
  await page.fill("#token", "not the token");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#login-error:not([hidden])");
  await page.fill("#token", o.token);
  await page.keyboard.press("Enter");
}

async function conversation(name, view) {
  const context = await browser.newContext(view);
  const page = await watched(context, o.url, checks);
  await page.goto(o.url + o.chat);
  if (o.token) await signIn(page);
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
  if (o.token) await signIn(stranger);
  await stranger.waitForSelector("#empty:not([hidden])");
  checks.ok(`${name}: another browser sees nothing of it`, (await stranger.locator("#list > li").count()) === 0);
  await other.close();
  return { context, page };
}

async function controls(page) {
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

// hostile gives the page's renderer what a model could be talked into.
async function hostile(page) {
  const found = await page.evaluate(async (base) => {
    const { render } = await import(`${base}/assets/markdown.js`);
    const box = document.createElement("div");
    box.append(render([
      "<script>window.hit=1</script> <img src=x onerror=window.hit=1> **<b>bold</b>**", "![pixel](https://evil.example/p.png)", "[safe](javascript:window.hit=1) [data](data:text/html,x)",
      "[bank](https://bank.example@evil.example/login)", "```html\n<img src=x onerror=window.hit=1>\n```", "| <i>a</i> | b |\n| --- | --- |\n| `<u>` | [x](https://evil.example) |", "> ".repeat(500) + "deep",
    ].join("\n\n")));
    document.body.append(box);
    await new Promise((r) => setTimeout(r, 200));
    const links = [...box.querySelectorAll("a")].map((a) => `${a.protocol}${a.rel}${a.parentElement.querySelector(".host")?.textContent}`);
    const tags = [...box.querySelectorAll("script,img,iframe,b,i,u,object,embed,form")].length;
    box.remove();
    return { hit: window.hit, links, tags };
  }, o.chat);
  checks.ok("no text becomes markup", found.tags === 0 && found.hit === undefined, JSON.stringify(found));
  checks.ok("links lead only to the web, say their host and give nothing away",
    found.links.length === 3 && found.links.every((l) => /^https:noopener noreferrer.*evil\.example$/.test(l)), found.links.join(" "));
}

try {
  if (!o.chat) {
    const page = await browser.newPage();
    await page.goto(o.url);
    o.chat = new URL(await page.locator("iframe").first().getAttribute("src"), o.url).pathname;
    await page.close();
  }
  const desk = await conversation("desk", { viewport: { width: 1200, height: 820 }, locale: "zh-CN" });
  await controls(desk.page);
  await hostile(desk.page);
  await desk.context.close();
  const hand = await conversation("hand", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: "dark" });
  await hand.context.close();
  if (o.phone === "yes") await phone(browser, o, checks, shot);
  if (o.switch === "yes") await operatorSwitch(browser, o, checks, shot);
} catch (e) {
  checks.ok("the check went through", false, e.message);
}
await browser.close();
console.log(checks.failed ? `${checks.failed} not right` : "all right");
process.exit(checks.failed ? 1 : 0);
