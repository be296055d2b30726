// Long answers and long conversations.

import { watched } from "./browser.mjs";

export async function long(tab, context, address, model, checks, shot) {
  const text = Array.from({ length: 700 }, (_, i) => `## 第 ${i} 节\n\n这是**很长**的回答的一段，其中有 \`code\` 和[链接](https://example.com/${i})。\n\n- 一\n- 二\n\n\`\`\`go\nfmt.Println(${i})\n\`\`\`\n`).join("\n");
  model.answers.set("写很多", { text, size: 600, gap: 15 });
  await tab.fill("#text", "写很多");
  await tab.keyboard.press("Enter");
  await tab.waitForFunction(() => document.querySelectorAll(".answer.live h2").length > 40, null, { timeout: 60000 });
  const atEnd = () => tab.evaluate(() => { const s = document.querySelector("#scroll"); return s.scrollHeight - s.scrollTop - s.clientHeight < 100; });
  await checks.step("long: the newest text stays in sight", () => tab.waitForFunction(() => { const s = document.querySelector("#scroll"); return s.scrollHeight - s.scrollTop - s.clientHeight < 100; }));
  await tab.evaluate(() => { window.firstHead = document.querySelector(".answer.live h2"); });
  await tab.mouse.move(600, 400);
  await tab.mouse.wheel(0, -3000);
  await tab.waitForSelector("#down:not([hidden])");
  const place = await tab.evaluate(() => document.querySelector("#scroll").scrollTop);
  await tab.waitForTimeout(500);
  checks.ok("long: who scrolls up stays there", Math.abs((await tab.evaluate(() => document.querySelector("#scroll").scrollTop)) - place) < 5 && !(await atEnd()));
  checks.ok("long: what was drawn stays as it is", await tab.evaluate(() => window.firstHead.isConnected));
  await tab.click("#down");
  await tab.waitForFunction(() => document.querySelector("#list > li:last-child .acts"), null, { timeout: 120000 });
  checks.ok(`long: all of ${Math.round(text.length / 1000)},000 characters arrived`, await tab.evaluate(() => document.querySelector("#list > li:last-child .answer").querySelectorAll("h2").length === 700));
  checks.ok("long: and the end is in sight", await atEnd());
  await shot(tab, "long");

  const many = await watched(context, new URL(address).origin, checks);
  const part = (i) => `id: ${i}-1\nevent: part\ndata: ${JSON.stringify({ id: `${i}-1`, message: `m${i}`, part: 1, of: 1, question: `第 ${i} 个问题`, asked: "2026-01-01T00:00:00Z", text: `第 ${i} 个回答\n\n- **一**\n- 二\n\n\`\`\`\ncode ${i}\n\`\`\`` })}\n\n`;
  await many.route("**/events*", (r) => r.fulfill({ contentType: "text/event-stream", body: `retry: 60000\n\n${Array.from({ length: 200 }, (_, i) => part(i + 1)).join("")}event: ready\ndata: {}\n\n` }));
  const began = Date.now();
  await many.goto(address);
  await many.waitForFunction(() => document.querySelectorAll("#list > li.ask .acts").length === 200);
  checks.ok(`long: 200 messages are there (after ${Date.now() - began} ms)`, true);
  await checks.step("long: and the newest is in sight", () => many.waitForFunction(() => {
    const last = document.querySelector("#list > li:last-child").getBoundingClientRect();
    return last.bottom <= innerHeight && last.bottom > innerHeight / 3;
  }, null, { timeout: 5000 }));
  await shot(many, "many");
  await many.close();
}
