// npm @mariozechner/pi-coding-agent, unmodified but for its provider: one question, for which it runs a command.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [baseUrl, model] = process.argv.slice(2);
const home = mkdtempSync(join(tmpdir(), "pi-"));
const folder = join(home, ".pi", "agent");
mkdirSync(folder, { recursive: true });
const provider = { baseUrl, apiKey: "of no use here", api: "openai-completions", models: [{ id: model }] };
writeFileSync(join(folder, "models.json"), JSON.stringify({ providers: { farthing: provider } }));
const ran = spawnSync(
  process.execPath,
  [
    join(import.meta.dirname, "node_modules/.bin/pi"),
    ...["--provider", "farthing", "--model", model, "--offline", "--print", "Say farthing with the shell."],
  ],
  { cwd: home, env: { PATH: process.env.PATH, HOME: home }, timeout: 120_000, input: "" },
);
console.error(String(ran.stderr));
console.log(JSON.stringify({ said: String(ran.stdout).trim().split("\n").slice(-1) }));
rmSync(home, { recursive: true });
