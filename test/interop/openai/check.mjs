// Drives Parley's /v1/ with OpenAI's own client for Node. Prints what it saw as JSON; an error that nobody expected ends it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.env.MODULES + "/");
const { default: OpenAI } = await import(pathToFileURL(require.resolve("openai")));
const { BASE_URL: baseURL, API_KEY: apiKey, QUESTION, SECOND, POOR_KEY, FAILS, BREAKS } = process.env;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 60_000 });
const question = { role: "user", content: QUESTION };
const seen = { version: JSON.parse(readFileSync(`${process.env.MODULES}/node_modules/openai/package.json`)).version };

seen.models = [];
for await (const m of client.models.list()) seen.models.push(m.id);
seen.model = (await client.models.retrieve("chat")).id;

const whole = await client.chat.completions.create({
  model: "chat", messages: [{ role: "system", content: "中文" }, question], temperature: 0.2, stop: ["<end>"], max_completion_tokens: 500,
});
seen.text = whole.choices[0].message.content;
seen.finish = whole.choices[0].finish_reason;
seen.usage = whole.usage.total_tokens;
seen.request_id = whole._request_id === whole.id;

const { response } = await client.chat.completions.create({ model: "chat", messages: [question], user: "u" }).withResponse();
seen.answered_by = response.headers.get("x-parley-model");
seen.ignored = response.headers.get("x-parley-ignored");

const dialog = [question, whole.choices[0].message, { role: "user", content: SECOND }];
const stream = await client.chat.completions.create({ model: "chat", messages: dialog, stream: true, stream_options: { include_usage: true } });
seen.pieces = 0;
seen.streamed = "";
for await (const chunk of stream) {
  if (chunk.usage) seen.stream_usage = chunk.usage.total_tokens;
  for (const choice of chunk.choices) {
    seen.pieces++;
    seen.streamed += choice.delta.content ?? "";
    seen.stream_finish = choice.finish_reason ?? seen.stream_finish;
  }
}
seen.helper = await client.chat.completions.stream({ model: "chat", messages: [question] }).finalContent();

const png = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.alloc(20)]).toString("base64");
const parts = [{ type: "text", text: QUESTION }, { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } }];
seen.picture = (await client.chat.completions.create({ model: "chat", messages: [{ role: "user", content: parts }] })).choices[0].message.content;

async function refused(name, kind, call) {
  try {
    await call();
  } catch (e) {
    if (!(e instanceof kind)) throw e;
    seen[name] = { class: e.constructor.name, status: e.status, code: e.code, param: e.param };
    return;
  }
  throw new Error(`${name}: not refused`);
}
const ask = (more) => () => client.chat.completions.create({ model: "chat", messages: [question], ...more });

await refused("wrong_key", OpenAI.AuthenticationError, () => new OpenAI({ baseURL, apiKey: "sk-wrong", maxRetries: 0 }).models.list());
await refused("no_model", OpenAI.NotFoundError, ask({ model: "gpt-nothing" }));
await refused("bad_value", OpenAI.BadRequestError, ask({ temperature: 9 }));
await refused("tools", OpenAI.BadRequestError, ask({ tools: [{ type: "function", function: { name: "f", parameters: {} } }] }));
await refused("quota", OpenAI.RateLimitError, () => new OpenAI({ baseURL, apiKey: POOR_KEY }).chat.completions.create({ model: "chat", messages: [question] }));
await refused("overloaded", OpenAI.InternalServerError, ask({ messages: [{ role: "user", content: FAILS }] }));

try {
  for await (const _ of await client.chat.completions.create({ model: "chat", messages: [{ role: "user", content: BREAKS }], stream: true }));
  throw new Error("a broken stream looks complete");
} catch (e) {
  if (!(e instanceof OpenAI.APIError)) throw e;
  seen.broken = { class: e.constructor.name, type: e.type };
}

console.log(JSON.stringify(seen));
