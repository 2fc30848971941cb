// opencode, unmodified but for its provider: one question, for which it runs a command.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [baseURL, model] = process.argv.slice(2);
const home = mkdtempSync(join(tmpdir(), "opencode-"));
const work = join(home, "work");
mkdirSync(work);
const provider = {
  npm: "@ai-sdk/openai-compatible",
  options: { baseURL, apiKey: "of no use here" },
  models: { [model]: { limit: { context: 100000, output: 512 } } },
};
const config = {
  provider: { farthing: provider },
  model: `farthing/${model}`,
  small_model: `farthing/${model}`,
  autoupdate: false,
  share: "disabled",
  permission: { bash: "allow" },
};
writeFileSync(join(work, "opencode.json"), JSON.stringify(config));
const ran = spawnSync(
  join(import.meta.dirname, "node_modules/opencode-linux-x64/bin/opencode"),
  ["run", "--model", `farthing/${model}`, "Say farthing with the shell."],
  {
    cwd: work,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      OPENCODE_DISABLE_MODELS_FETCH: "1",
      OPENCODE_DISABLE_AUTOUPDATE: "1",
      OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
    },
    timeout: 120_000,
    input: "",
  },
);
console.error(String(ran.stderr));
console.log(JSON.stringify({ said: String(ran.stdout).trim().split("\n").slice(-1) }));
rmSync(home, { recursive: true });
