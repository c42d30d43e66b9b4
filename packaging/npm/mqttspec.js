#!/usr/bin/env node
// Runs the program of this platform, which is in a package of its own.
"use strict";
const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const name = `mqttspec-${process.platform}-${process.arch}`;
let program;
try {
  program = require.resolve(`${name}/bin/mqttspec`);
} catch {
  console.error(
    process.platform === "win32"
      ? "mqttspec: there is no build for Windows: it needs process groups, signals and Unix sockets. Install it in WSL."
      : `mqttspec: the package ${name} is not installed. Either there is no build for this platform, or optional dependencies ` +
          "were left out (npm's --omit=optional).",
  );
  process.exit(5);
}

const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
// A terminal sends Ctrl-C to both; others may send it to this process alone. The program ends in its own time, with its own code.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on("error", (error) => {
  console.error(`mqttspec: ${program} cannot be started: ${error.message}`);
  process.exit(5);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
