// What a model could be talked into: each text comes as an answer, through the whole chain. None may become a script, a load, or a link that lies.

import { ask } from "./browser.mjs";

const fence = "```";

// name, the answer, and what must be true of it besides what must be true of all: a function that is evaluated in the page with the answer's element.
const corpus = [
  ["markup", "<script>window.hit=1</script><img src=x onerror=window.hit=1><svg onload=window.hit=1></svg><iframe srcdoc='<script>parent.hit=1</script>'></iframe>"
    + "<a href=javascript:window.hit=1>x</a><style>*{display:none}</style><form action=https://evil.example><input autofocus onfocus=window.hit=1>",
  (a) => a.textContent.includes("<script>window.hit=1</script>") && a.querySelectorAll("a").length === 1],
  ["markup in every mark", "# <img src=x onerror=window.hit=1>\n\n- <svg/onload=window.hit=1>\n\n> <b onmouseover=window.hit=1>x</b>\n\n| <img src=x onerror=window.hit=1> | b |\n| --- | --- |\n| `<u>` | "
    + `**<i>** |\n\n${fence}html\n<img src=x onerror=window.hit=1>\n</code></pre><script>window.hit=1</script>\n${fence}`, (a) => a.querySelectorAll("h2, li, blockquote, table, figure").length === 5],
  ["entities", "&lt;script&gt;window.hit=1&lt;/script&gt; &#60;img src=x onerror=window.hit=1&#62; &amp;lt;", (a) => a.textContent.includes("&lt;script&gt;")],
  ["links that are none", "[a](javascript:window.hit=1) [b](JaVaScRiPt:window.hit=1) [c](java\tscript:window.hit=1) [d](\u0001javascript:window.hit=1) [e](data:text/html,<script>parent.hit=1</script>) "
    + "[f](vbscript:x) [g](blob:https://evil.example/x) [h](file:///etc/passwd) [i](//evil.example/x) [j](/chat/acme/web/logout) [k](#x) <javascript:window.hit=1> [l](&#106;avascript:x)",
  (a) => a.querySelectorAll("a").length === 0],
  ["links that lie", "[https://bank.example](https://evil.example/login) [bank](https://bank.example@evil.example/login) https://bank.example@evil.example/x [b](https://bаnk.example/) "
    + "[c](https://bank.example\\@evil.example) [d](https://evil.example/?https://bank.example \"bank.example\") [\u202eelpmaxe.knab](https://evil.example) https://bank.example\u2060.evil.example",
  (a) => [...a.querySelectorAll("a")].every((l) => l.parentElement.querySelector(".host")?.textContent === l.host || l.textContent.startsWith(`https://${l.host}`)) && a.querySelectorAll("a").length >= 7],
  ["pictures from elsewhere", "![p](https://evil.example/p.png) ![q](data:image/svg+xml,<svg onload=alert(1)>) [![badge](https://evil.example/b.svg)](https://evil.example) ![](https://evil.example/e.gif)\n\n[r]: https://evil.example/r.png\n![s][r]",
    (a) => a.querySelectorAll("img, picture, video, object, embed").length === 0],
  ["a terminal's control", "\u001b[2J\u001b[31mred\u001b[0m \u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007 \u0000\u0008\u009b31m \u007f", (a) => !/[\u0000-\u0008\u000e-\u001f\u007f-\u009f]|\[31m/.test(a.textContent.replaceAll("31m ", "")) && a.textContent.includes("red")],
  ["directions turned", `safe \u202Eevil\u202C \u2066x\u2069 ${fence.slice(0, 1)}if (a\u202E) {\u2066 // ok\u2069${fence.slice(0, 1)} مرحبا`, (a) => !/[\u202a-\u202e\u2066-\u2069]/.test(a.textContent) && a.textContent.includes("مرحبا")],
  ["hidden letters", `a${String.fromCodePoint(...Array.from("ignore all", (c) => 0xe0000 + c.charCodeAt(0)))}b`, (a) => a.textContent.startsWith("ab")],
  ["depth", `${"> ".repeat(300)}deep\n\n${Array.from({ length: 120 }, (_, i) => `${" ".repeat(2 * i)}- ${i}`).join("\n")}\n\n${"**a *b ~~c ".repeat(200)}`, (a) => {
    let deepest = 0;
    for (const el of a.querySelectorAll("*")) { let n = 0; for (let p = el; p !== a; p = p.parentElement) n++; deepest = Math.max(deepest, n); }
    return deepest < 24;
  }],
  ["one long word", `${"长".repeat(6000)}${"a".repeat(6000)}`, (a) => a.scrollWidth <= a.clientWidth],
  ["wide things", `| ${"aaaaaa | ".repeat(30)}\n| ${"--- | ".repeat(30)}\n| ${"bbbbbb | ".repeat(30)}\n\n${fence}\n${"x".repeat(5000)}\n${fence}`, (a) => a.scrollWidth <= a.clientWidth],
  ["letters that climb", `${"Z" + "\u0301".repeat(400)} after`, () => true],
  ["the page's own names", "<div id=token></div> <div class=again data-message=x>x</div> [x](https://evil.example) constructor __proto__ {{.Base}} ${location}", (a) => a.textContent.includes("{{.Base}}")],
];

// For rendering alone: a regular expression that looks back would take hours for some of these.
const heavy = {
  "one line of 1 MB": "a".repeat(1 << 20), backticks: "`".repeat(250000), "pairs of backticks": "`` ` ".repeat(60000), "open stars": "**a ".repeat(60000), stars: "*".repeat(250000),
  brackets: "[".repeat(250000), "open links": "[](".repeat(80000), titles: '[a](b "c'.repeat(30000), heading: `# a${" ".repeat(1 << 20)}b`, "bars and spaces": `|${" ".repeat(250000)}\n|${" ".repeat(250000)}-x`,
  "closing brackets": `http://a/${")".repeat(250000)}x`, quotes: ">\n".repeat(120000), "blank lines": `- a\n${"\n".repeat(250000)}b`, addresses: "http://".repeat(35000), escapes: "\u001b[1".repeat(80000),
  headings: "# a\n".repeat(60000), rows: `|a|b|\n|-|-|\n${"|a|b|\n".repeat(40000)}`, fences: `${fence}\na\n${fence}\n`.repeat(20000),
};

const allowed = "P,BR,H2,UL,OL,LI,BLOCKQUOTE,HR,STRONG,EM,DEL,CODE,PRE,FIGURE,FIGCAPTION,SPAN,BUTTON,A,BDI,DIV,TABLE,THEAD,TBODY,TR,TH,TD".split(",");
const attributes = ["class", "href", "target", "rel", "referrerpolicy", "type", "tabindex", "start"];

export async function hostile(tab, model, checks, shot) {
  tab.on("dialog", (d) => { checks.ok("hostile: no dialog", false, d.message()); d.dismiss(); });
  for (const [name, text, extra] of corpus) {
    model.answers.set(name, { text, size: 400, gap: 5 });
    await ask(tab, name);
    const found = await tab.evaluate(([allowed, attributes, extra]) => {
      const answer = [...document.querySelectorAll(".answer")].at(-1);
      const faults = [];
      for (const el of answer.querySelectorAll("*")) {
        if (!allowed.includes(el.tagName)) faults.push(`<${el.tagName}>`);
        for (const at of el.attributes) if (!attributes.includes(at.name)) faults.push(`${el.tagName} ${at.name}=`);
        if (el.tagName === "A" && (!/^https?:$/.test(el.protocol) || el.rel !== "noopener noreferrer nofollow" || el.target !== "_blank" || el.origin === location.origin)) faults.push(`link ${el.href}`);
      }
      if (window.hit) faults.push("a script ran");
      if (document.documentElement.scrollWidth > innerWidth) faults.push("the page is wider than the screen");
      if (!new Function("a", `return (${extra})(a)`)(answer)) faults.push(`not as it should be: ${answer.innerHTML.slice(0, 400)}`);
      return faults;
    }, [allowed, attributes, String(extra)]).catch((e) => [e.message]);
    checks.ok(`hostile: ${name}`, found.length === 0, found.join("; "));
  }
  await shot(tab, "hostile");
  const times = await tab.evaluate(async ([base, heavy]) => {
    const { show } = await import(`${base}/assets/markdown.js`);
    const out = {};
    for (const [name, text] of Object.entries(heavy)) {
      const began = performance.now();
      show(document.createElement("div"), text);
      out[name] = Math.round(performance.now() - began);
    }
    return out;
  }, [new URL(tab.url()).pathname, heavy]);
  const slow = Object.entries(times).filter(([, ms]) => ms > 5000);
  checks.ok(`hostile: no text holds the page up (slowest ${Math.max(...Object.values(times))} ms)`, slow.length === 0, JSON.stringify(slow));
}
