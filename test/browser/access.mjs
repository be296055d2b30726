// People who use a keyboard or a screen reader, who turned animations off, or who want it dark: the rules of axe-core on every state of the page.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { ask, signIn, watched } from "./browser.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function rules(name, page, checks) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => (await window.axe.run(document)).violations.map((v) => `${v.id} (${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")})`));
  checks.ok(`access: ${name}`, found.length === 0, found.join("; "));
}

export async function access(browser, address, token, checks, shot) {
  for (const scheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 }, colorScheme: scheme, reducedMotion: "reduce" });
    const page = await watched(context, new URL(address).origin, checks);
    await page.goto(address);
    await page.waitForSelector("#door:not([hidden])");
    await rules(`${scheme}: signing in`, page, checks);
    await signIn(page, token);
    await page.waitForSelector("#empty:not([hidden])");
    await rules(`${scheme}: the empty page`, page, checks);
    await ask(page, "links that lie");
    await ask(page, "markup in every mark");
    await rules(`${scheme}: a conversation`, page, checks);
    await shot(page, `access-${scheme}`);
    checks.ok(`access: ${scheme}: nothing moves for who wants that`, await page.evaluate(() => document.getAnimations().length === 0));
    checks.ok(`access: ${scheme}: an answer is read aloud once it is there`, (await page.textContent("#said")).length > 20);
    if (scheme === "light") await byKeyboard(page, checks);
    await context.close();
  }
}

// byKeyboard walks through the page with Tab alone: every stop is seen and has a name.
async function byKeyboard(page, checks) {
  await page.evaluate(() => document.activeElement.blur());
  const stops = [];
  for (let i = 0; i < 50; i++) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const el = document.activeElement;
      if (!el || el === document.body) return "";
      const s = getComputedStyle(el);
      const box = el.matches("textarea") ? getComputedStyle(el.closest(".box")).borderColor !== "" : s.outlineStyle !== "none";
      return `${el.id || el.className || el.tagName}${box ? "" : " WITHOUT OUTLINE"}`;
    });
    if (stop) stops.push(stop);
  }
  checks.ok("access: the keyboard reaches everything and shows where it is",
    ["reset", "language", "scroll", "add", "text"].every((id) => stops.includes(id)) && stops.some((s) => s.startsWith("copy")) && !stops.some((s) => s.includes("WITHOUT")), stops.join(", "));
}
