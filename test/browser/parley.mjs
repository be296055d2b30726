// Starts `parley dev` for the checks: with everything embedded, or with documents of its own in front of a model that answers what a check wants.

import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Parley {
  // dev starts it; env is added to the environment. Keys of real models are not passed on.
  static async dev(binary, args = [], env = {}) {
    const p = new Parley();
    const clean = Object.fromEntries(Object.entries(process.env).filter(([k]) => !/_API_KEY$|_BASE_URL$/.test(k)));
    p.process = spawn(binary, ["dev", "--http", "127.0.0.1:0", ...args], { env: { ...clean, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    p.said = () => said;
    p.url = await new Promise((done, failed) => {
      const late = setTimeout(() => failed(new Error(`parley dev is not ready after 30 s:\n${said}`)), 30000);
      p.process.on("exit", (code) => failed(new Error(`parley dev ended with ${code}:\n${said}`)));
      for (const out of [p.process.stdout, p.process.stderr]) {
        out.on("data", (text) => {
          said += text;
          const m = /http:\/\/[\d.:]+(?=\/\n)/.exec(said);
          if (m) { clearTimeout(late); done(m[0]); }
        });
      }
    });
    return p;
  }

  // own starts it with the tenant acme, whose web channel is given as YAML. It needs a model.
  static async own(binary, model, channel) {
    const dir = await mkdtemp(join(tmpdir(), "parley-browser-"));
    await mkdir(join(dir, "live"));
    const files = {
      "client.yaml": `live: {source: file, dir: ${dir}/live}\nsecrets: {dir: ${dir}/secrets}\ntenants: [acme]\n`,
      "live/parley-routes.yaml": `providers:\n  openai: {dialect: openai, base_url: ${model.url}, key: env:OPENAI_API_KEY}\nmodels:\n  chat: [openai/gpt-4o]\n`,
      "live/tenant.acme.yaml": `name: acme\nlimits: {per_user_per_minute: 0, max_input: 20000}\nchannels:\n  - ${channel}\n`,
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    const p = await Parley.dev(binary, ["--config", join(dir, "client.yaml")], {
      OPENAI_API_KEY: "sk-check", OPENAI_BASE_URL: model.url, ACME_WEB_TOKEN: "the-token-of-this-check",
    });
    p.dir = dir;
    return p;
  }

  // invitation is the newest link that logs in at the console, once.
  async invitation() {
    for (let end = Date.now() + 10000; Date.now() < end; await new Promise((done) => { setTimeout(done, 50); })) {
      const links = [...this.said().matchAll(/http:\/\/\S+#invite=[\w-]+/g)];
      if (links.length) return links.at(-1)[0];
    }
    throw new Error("parley dev printed no link to its console");
  }

  async stop() {
    this.process.removeAllListeners("exit");
    const over = new Promise((done) => { this.process.on("exit", done); });
    this.process.kill("SIGTERM");
    await over;
    if (this.dir) await rm(this.dir, { recursive: true });
  }
}
