// Writes npm packages that carry the program:
//
//   node packaging/npm/build.mjs FOLDER [PLATFORM-ARCH=PROGRAM]...
//
// FOLDER/mqttspec starts the program and depends, optionally, on one package for each platform; npm installs the one that
// fits. FOLDER/mqttspec-PLATFORM-ARCH holds PROGRAM. Platform and architecture are Node's names, such as linux-x64.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const manifest = readFileSync(join(root, "Cargo.toml"), "utf8");
const value = (key) => manifest.match(new RegExp(`^${key} = "(.*)"$`, "m"))[1];
const common = { version: value("version"), description: value("description"), license: "(Apache-2.0 OR MIT)" };
const platforms = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"];

const [folder, ...programs] = process.argv.slice(2);
if (!folder) {
  console.error("node packaging/npm/build.mjs FOLDER [PLATFORM-ARCH=PROGRAM]...");
  process.exit(2);
}

function write(name, fields, files) {
  const to = join(folder, name);
  mkdirSync(join(to, "bin"), { recursive: true });
  writeFileSync(join(to, "package.json"), JSON.stringify({ name, ...common, ...fields }, null, 2) + "\n");
  for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) copyFileSync(join(root, licence), join(to, licence));
  for (const [file, from] of Object.entries(files)) {
    copyFileSync(from, join(to, file));
    if (file.startsWith("bin/")) chmodSync(join(to, file), 0o755);
  }
}

write(
  "mqttspec",
  {
    bin: { mqttspec: "bin/mqttspec.js" },
    engines: { node: ">=18" },
    optionalDependencies: Object.fromEntries(platforms.map((p) => [`mqttspec-${p}`, common.version])),
  },
  { "bin/mqttspec.js": join(here, "mqttspec.js"), "README.md": join(root, "README.md") },
);
for (const argument of programs) {
  const [platform, program] = argument.split("=");
  if (!platforms.includes(platform) || !program) {
    console.error(`${argument}: PLATFORM-ARCH=PROGRAM, with one of ${platforms.join(", ")}`);
    process.exit(2);
  }
  const [os, cpu] = platform.split("-");
  write(`mqttspec-${platform}`, { os: [os], cpu: [cpu], preferUnplugged: true }, { "bin/mqttspec": program });
}
