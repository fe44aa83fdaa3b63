// Preloaded into a CLI: kills it right before the n-th call that writes to its state directory, n from KILL_AT. Counts
// what it sees into the file KILL_COUNT names, so that a test knows when it has struck every one.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const at = Number(process.env["KILL_AT"]);
const state = process.env["SANDKEEP_STATE_DIR"] ?? "";
const counter = process.env["KILL_COUNT"] ?? "";
const { appendFileSync } = fs;
let seen = 0;

function strike(name, path) {
  seen += 1;
  appendFileSync(counter, `${name} ${path.slice(state.length + 1)}\n`);
  if (seen === at) process.kill(process.pid, "SIGKILL");
}

const ours = (path) => typeof path === "string" && path.startsWith(state);
const writes = (flags) => typeof flags === "string" && /[wa+]/.test(flags);

/** Wraps calls whose first argument is a path. */
function wrap(holder, name, isWrite = () => true) {
  const original = holder[name];
  if (typeof original !== "function") return;
  holder[name] = function wrapped(...args) {
    if (ours(args[0]) && isWrite(args)) strike(name, args[0]);
    return original.apply(this, args);
  };
}

const CHANGES = ["mkdir", "rename", "rm", "rmdir", "unlink", "link", "utimes", "writeFile", "appendFile"];
for (const holder of [fs, fs.promises]) {
  for (const name of CHANGES) {
    wrap(holder, name);
    wrap(holder, `${name}Sync`);
  }
  wrap(holder, "open", (args) => writes(args[1]));
}

/** Files of the state directory that are open for writing. */
const open = new Set();
const { openSync } = fs;
fs.openSync = function wrapped(path, flags, ...rest) {
  const own = ours(path) && writes(flags);
  if (own) strike("openSync", path);
  const fd = openSync.call(this, path, flags, ...rest);
  if (own) open.add(fd);
  else open.delete(fd);
  return fd;
};
for (const name of ["writeFileSync", "writeSync", "fsync", "fdatasync"]) {
  const original = fs[name];
  fs[name] = function wrapped(fd, ...rest) {
    if (open.has(fd)) strike(name, state);
    return original.call(this, fd, ...rest);
  };
}

const probe = await fs.promises.open(process.execPath, "r");
const prototype = Object.getPrototypeOf(probe);
await probe.close();
for (const name of ["write", "appendFile", "truncate", "sync", "datasync"]) {
  const original = prototype[name];
  prototype[name] = function wrapped(...args) {
    strike(`handle.${name}`, state);
    return original.apply(this, args);
  };
}
syncBuiltinESMExports();
