// Puts the parts of the interface description together, which Anchor's generated tests print, as `anchor idl
// build` does. Reads the tests' output from stdin, writes the IDL to stdout.

import { readFileSync } from "node:fs";

const lines = readFileSync(0, "utf8").split("\n");

// The parsed parts between `--- IDL begin NAME ---` and `--- IDL end NAME ---`.
function parts(name) {
  const found = [];
  for (let begin = lines.indexOf(`--- IDL begin ${name} ---`); begin !== -1; ) {
    const end = lines.indexOf(`--- IDL end ${name} ---`, begin);
    if (end === -1) throw new Error(`a part "${name}" has no end`);
    found.push(JSON.parse(lines.slice(begin + 1, end).join("\n")));
    begin = lines.indexOf(`--- IDL begin ${name} ---`, end);
  }
  return found;
}

function only(name) {
  const found = parts(name);
  if (found.length !== 1) throw new Error(`${found.length} parts "${name}" instead of one`);
  return found[0];
}

const byName = (one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0);
const sorted = (list) => list.toSorted?.(byName) ?? [...list].sort(byName);

const program = only("program");
const events = parts("event");
const types = new Map();
for (const type of [...events.flatMap((event) => event.types), ...program.types]) types.set(type.name, type);

const idl = {
  address: only("address"),
  metadata: program.metadata,
  docs: program.docs,
  instructions: sorted(program.instructions),
  accounts: sorted(program.accounts),
  events: sorted(events.map((part) => part.event)),
  errors: only("errors"),
  types: sorted([...types.values()]),
  constants: sorted(parts("const")),
};
for (const key of Object.keys(idl)) if (idl[key]?.length === 0) delete idl[key];

// Paths become names where no two types have the same name.
let text = JSON.stringify(idl, null, 2);
const paths = new Set(text.match(/"(?:\w+::)+\w+"/g));
for (const path of paths) {
  const name = path.replace(/.*::/, "").replace(/"$/, "");
  const rivals = [...paths].filter((other) => other.endsWith(`::${name}"`));
  if (rivals.length === 1) text = text.replaceAll(path, `"${name}"`);
}
process.stdout.write(`${text}\n`);
