// Checks the chat page and the dev page in a real browser, from nothing. Usage:
//   npm install && node run.mjs [--parley ../../bin/parley] [--only chat|dev|console|page] [--browser PATH] [--shots shots]
// It starts what it needs. Pictures go to shots/: look at them. Exit status: 0, or 1 if anything was not right.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Checks, launch, options } from "./browser.mjs";
import { chat } from "./chat.mjs";
import { operatorsConsole } from "./console.mjs";
import { Model } from "./model.mjs";
import { page } from "./page.mjs";
import { Parley } from "./parley.mjs";
import { phone } from "./phone.mjs";
import { operatorSwitch } from "./switch.mjs";

const o = options({ parley: "../../bin/parley", only: "", browser: "", shots: "shots", url: "", chat: "", token: "", context: "青色" });
o.parley = fileURLToPath(new URL(o.parley, import.meta.url));
if (spawnSync(o.parley, ["version"]).status !== 0) {
  console.error(`${o.parley} does not run: make build, or name one with --parley PATH`);
  process.exit(2);
}
const checks = new Checks();
const browser = await launch(o);
const shot = (p, name) => p.screenshot({ path: `${o.shots}/${name}.png` });
const part = (name) => !o.only || o.only === name;
const running = [];

try {
  if (part("chat") || part("dev") || part("console")) {
    const dev = await Parley.dev(o.parley);
    running.push(dev);
    const at = { ...o, url: dev.url, chat: "/chat/demo/web" };
    if (part("chat")) await chat(browser, at, checks, shot);
    if (part("dev")) {
      await phone(browser, at, checks, shot);
      await operatorSwitch(browser, at, checks, shot);
    }
    if (part("console")) await operatorsConsole(browser, at, dev, checks, shot);
  }
  if (part("page")) {
    const model = await new Model().start();
    running.push(model);
    await page(browser, o, model, checks, shot, running);
  }
} catch (e) {
  checks.ok("the check went through", false, e.stack);
}
await browser.close();
for (const r of running) await r.stop();
console.log(checks.failed ? `${checks.failed} not right` : "all right");
process.exit(checks.failed ? 1 : 0);
