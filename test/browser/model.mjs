// A model that answers what a check wants: an OpenAI-shaped server on loopback. answers maps a question to its answer; other questions get an echo.

import { createServer } from "node:http";

export class Model {
  answers = new Map(); // question -> {text, size: of a piece, gap: ms between pieces}
  asked = []; // the content of each last message: a text, or parts with pictures

  async start() {
    this.server = createServer((req, res) => this.#serve(req, res)).listen(0, "127.0.0.1");
    await new Promise((done) => { this.server.on("listening", done); });
    this.url = `http://127.0.0.1:${this.server.address().port}/v1`;
    return this;
  }

  stop() { this.server.closeAllConnections(); this.server.close(); }

  async #serve(req, res) {
    let body = "";
    for await (const piece of req) body += piece;
    const content = JSON.parse(body).messages.at(-1).content;
    this.asked.push(content);
    const question = typeof content === "string" ? content : content.filter((p) => p.type === "text").map((p) => p.text).join("");
    const images = typeof content === "string" ? 0 : content.filter((p) => p.type === "image_url").length;
    const { text = `收到：${question}${images ? `（${images} 张图）` : ""}`, size = 40, gap = 20 } = this.answers.get(question) ?? {};
    res.writeHead(200, { "Content-Type": "text/event-stream" });
    const chunk = (delta, reason = null) => res.write(`data: ${JSON.stringify({
      id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: reason }],
    })}\n\n`);
    const runes = Array.from(text);
    for (let i = 0; i < runes.length && !res.destroyed; i += size) {
      chunk({ content: runes.slice(i, i + size).join("") });
      if (gap) await new Promise((r) => { setTimeout(r, gap); });
    }
    chunk({}, "stop");
    res.end("data: [DONE]\n\n");
  }
}
