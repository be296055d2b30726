// Pictures that a person adds: by the button, by pasting, by dropping. They are made small in the browser, and nothing of them is loaded again.

const has = (n) => (content) => Array.isArray(content) && content.filter((p) => p.type === "image_url").length === n;

// paint makes a picture of noise, which no JPEG makes small: a camera's worst.
const paint = (tab, width, height, type) => tab.evaluate(async ([width, height, type]) => {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const pen = canvas.getContext("2d");
  const noise = pen.createImageData(width, Math.min(height, 400));
  for (let i = 0; i < noise.data.length; i++) noise.data[i] = i % 4 === 3 ? 255 : Math.random() * 256;
  for (let y = 0; y < height; y += 400) pen.putImageData(noise, 0, y);
  const blob = await new Promise((done) => { canvas.toBlob(done, type); });
  return Array.from(new Uint8Array(await blob.arrayBuffer()));
}, [width, height, type]).then((bytes) => Buffer.from(bytes));

const give = (tab, how, name, type, bytes) => tab.evaluate(([how, name, type, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type }));
  if (how === "paste") document.querySelector("#text").dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  else document.querySelector("#scroll").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}, [how, name, type, [...bytes]]);

export async function pictures(tab, model, checks, shot) {
  const noise = await paint(tab, 2400, 1800, "image/png");
  const small = await paint(tab, 60, 40, "image/png");
  const waits = (n) => tab.waitForFunction((n) => document.querySelectorAll("#pictures canvas").length === n, n, { timeout: 30000 });
  await tab.setInputFiles("#file", { name: "noise.png", mimeType: "image/png", buffer: noise });
  await waits(1);
  await give(tab, "paste", "pasted.png", "image/png", small);
  await waits(2);
  await give(tab, "drop", "dropped.png", "image/png", small);
  await waits(3);
  checks.ok("pictures: by the button, pasted and dropped", true);
  await tab.setInputFiles("#file", { name: "not.png", mimeType: "image/png", buffer: Buffer.from("<svg onload=alert(1)>") });
  await checks.step("pictures: what is none is told in words", () => tab.locator("#trouble", { hasText: "不是能读取的图片" }).waitFor());
  await tab.setInputFiles("#file", [small, small].map((buffer, i) => ({ name: `${i}.png`, mimeType: "image/png", buffer })));
  await checks.step("pictures: a fifth is told in words", () => tab.locator("#trouble", { hasText: "最多 4 张" }).waitFor());
  await waits(4);
  await shot(tab, "pictures-added");
  await tab.click("#pictures li:nth-child(2) button");
  await waits(3);

  const posted = tab.waitForRequest((r) => r.url().endsWith("/messages"));
  await tab.fill("#text", "图里是什么？");
  await tab.keyboard.press("Enter");
  const { images } = JSON.parse((await posted).postData());
  const sizes = images.map((i) => Buffer.from(i.data, "base64").length);
  const kinds = images.map((i) => Buffer.from(i.data, "base64").subarray(0, 3).toString("hex"));
  checks.ok("pictures: JPEGs of at most 300 KiB are posted", sizes.length === 3 && sizes.every((n) => n > 300 && n <= 300 * 1024) && kinds.every((k) => k === "ffd8ff"), `${sizes} ${kinds}`);
  const turn = tab.locator("#list > li.ask").last();
  await turn.locator(".acts").waitFor({ timeout: 30000 });
  checks.ok("pictures: shown with the question", (await turn.locator(".thumbs canvas").count()) === 3);
  checks.ok("pictures: the model sees them", model.asked.some(has(3)), JSON.stringify(model.asked.at(-1)).slice(0, 200));
  await shot(tab, "pictures-sent");
  await turn.locator(".redo").click();
  await tab.waitForFunction(() => document.querySelectorAll("#list > li.ask .thumbs").length === 2 && document.querySelector("#list > li:last-child .acts"));

  await tab.setInputFiles("#file", { name: "alone.png", mimeType: "image/png", buffer: small });
  await waits(1);
  await tab.click("#send");
  await tab.locator("#list > li.ask").last().locator(".acts").waitFor({ timeout: 30000 });
  checks.ok("pictures: one without a word is answered", (await tab.locator("#list > li.ask").last().locator(".answer").textContent()).length > 0);
  await tab.reload();
  await checks.step("pictures: after a reload the page says that there were some", () => tab.waitForFunction(() =>
    document.querySelectorAll("#list .gone").length === 3 && document.querySelector("#list .gone").textContent === "[图片][图片][图片]"));
  await shot(tab, "pictures-gone");
}
