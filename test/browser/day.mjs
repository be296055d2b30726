// One thing that an operator does in the console, for go run ./test/day:
//   node day.mjs --url http://127.0.0.1:8090 --do degrade|restore|look [--shots DIR]
// The password of the operator li is in PARLEY_CONSOLE_PASSWORD. It prints what was done; exit status 1 if it could not be.

import { launch, options } from "./browser.mjs";

const o = options({ url: "", do: "", shots: "shots", browser: "" });
const browser = await launch(o);
const page = await (await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: "zh-CN" })).newPage();
const shot = (name) => page.screenshot({ path: `${o.shots}/day-${name}.png` });

async function login() {
  await page.goto(o.url);
  await page.fill("#name", "li");
  await page.fill("#password", process.env.PARLEY_CONSOLE_PASSWORD);
  await page.click(".door .main");
  await page.waitForSelector("#verdict");
}

const show = async (name) => {
  await page.click(`nav a[data-page=${name}]`);
  await page.waitForSelector(`main[data-page=${name}]`);
};

const acts = {
  async degrade() {
    await shot("trouble");
    await show("switches");
    await page.selectOption("select[name=to]", "chatglm");
    await page.fill("input[name=reason]", "OpenAI 故障，切换到智谱");
    await page.click("#degrade");
    await page.waitForSelector("#said .done, #plan .error, #force", { timeout: 20000 });
    await shot("degraded");
    return page.textContent("#said .done");
  },
  async restore() {
    await show("switches");
    await page.click("#restore-all");
    await page.fill("dialog input[name=reason]", "OpenAI 已恢复");
    await page.click("dialog .main");
    await page.waitForFunction(() => !document.querySelector("#restore-all"), null, { timeout: 20000 });
    await shot("restored");
    return "restored";
  },
  async look() {
    for (const name of ["overview", "servers", "clients", "usage", "audit"]) {
      await show(name).catch(() => page.waitForSelector("#verdict"));
      await page.waitForTimeout(700);
      await shot(name);
    }
    return "looked";
  },
};

try {
  await login();
  console.log((await acts[o.do]()).replace(/\s+/g, " ").trim());
} catch (e) {
  await shot("failed");
  console.error(e.message);
  process.exitCode = 1;
}
await browser.close();
