// The API as a program uses it: a command to copy, and the same request made from here.

import { $, duration } from "./make.js";
import { word } from "./words.js";

const request = (question) => ({ model: $("api").dataset.model, stream: true, stream_options: { include_usage: true }, messages: [{ role: "user", content: question }] });
const question = () => $("question").value.trim() || word("api-question");
const command = () => `curl -N ${location.origin}/v1/chat/completions \\
  -H 'Authorization: Bearer ${$("api").dataset.key}' \\
  -H 'Content-Type: application/json' \\
  -d '${JSON.stringify(request(question())).replaceAll("'", "'\\''")}'`;

// drawAPI writes the command, in the language chosen now.
export function drawAPI() { if ($("api")) $("curl").textContent = command(); }

// lines reads a stream of server-sent events and calls back with each data line.
async function lines(body, each) {
  let rest = "";
  for (const reader = body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const all = (rest + value).split("\n");
    rest = all.pop();
    for (const line of all) if (line.startsWith("data: ") && line !== "data: [DONE]") each(JSON.parse(line.slice(6)));
  }
}

async function run() {
  const began = performance.now();
  let first = 0;
  let usage = null;
  $("api-answer").hidden = false;
  $("api-answer").textContent = "";
  $("api-figures").textContent = word("waiting");
  try {
    const res = await fetch("/v1/chat/completions", {
      method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${$("api").dataset.key}` }, body: JSON.stringify(request(question())),
    });
    if (!res.ok) { $("api-answer").textContent = await res.text(); $("api-figures").textContent = String(res.status); return; }
    await lines(res.body, (chunk) => {
      const text = chunk.choices?.[0]?.delta?.content ?? "";
      if (text && !first) first = performance.now() - began;
      $("api-answer").append(text);
      $("api-answer").scrollTop = $("api-answer").scrollHeight;
      usage = chunk.usage ?? usage;
    });
    $("api-figures").textContent = word("api-figures")(duration(first), duration(performance.now() - began), usage?.prompt_tokens ?? "—", usage?.completion_tokens ?? "—");
  } catch { $("api-figures").textContent = word("network"); }
}

export function startAPI() {
  if (!$("api")) return;
  $("question").addEventListener("input", drawAPI);
  $("ask").addEventListener("submit", (e) => { e.preventDefault(); run(); });
  $("question").addEventListener("keydown", (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing && e.keyCode !== 229) { e.preventDefault(); $("ask").requestSubmit(); }
  });
  $("api-copy").addEventListener("click", async () => {
    try { await navigator.clipboard.writeText($("curl").textContent); } catch { getSelection().selectAllChildren($("curl")); return; }
    $("api-copy").textContent = word("copied");
    setTimeout(() => { $("api-copy").textContent = word("copy"); }, 1500);
  });
}
