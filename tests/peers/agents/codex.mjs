// npm @openai/codex, unmodified but for its provider: one question, for which it runs a command.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [baseURL, model] = process.argv.slice(2);
const home = mkdtempSync(join(tmpdir(), "codex-"));
writeFileSync(
  join(home, "config.toml"),
  `
model = "${model}"
model_provider = "farthing"

[model_providers.farthing]
name = "Farthing"
base_url = "${baseURL}"
wire_api = "responses"
`,
);
const last = join(home, "last.txt");
const options = ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-C", home];
const ran = spawnSync(
  join(import.meta.dirname, "node_modules/.bin/codex"),
  [...options, "--output-last-message", last, "Say farthing with the shell."],
  { env: { PATH: process.env.PATH, HOME: home, CODEX_HOME: home } },
);
console.error(String(ran.stdout), String(ran.stderr));
console.log(JSON.stringify({ said: [readFileSync(last, "utf8").trim()] }));
rmSync(home, { recursive: true });
