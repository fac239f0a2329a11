/** Mutants of what keeps others out: modes, places, permissions, the dashboard, terminals, shells. */
import type { Mutant } from "../mutant.ts";

const OWNER = "21. Only the owner has access";
const STALE = "14. Only a stale socket is replaced";
const LEAST = "23. Least permissions";
const WATCHING = "34. Watching lets nobody else in";
const TCP = "22. No TCP";
const TERMINAL = "26. Terminal output is escaped";

const dataDir = { file: "daemon/data_dir.ts", tests: ["tests/daemon/data_dir_test.ts"] };
const inFiles = { ...dataDir, filter: "prepareFiles" };
const whateverUmask = { ...dataDir, filter: "umask is 0" };
const socket = { file: "daemon/socket.ts", tests: ["tests/daemon/socket_test.ts"] };
const dashboard = "tests/commands/dashboard";
const guard = {
  promise: TCP,
  file: "commands/dashboard/guard.ts",
  tests: [`${dashboard}/guard_test.ts`],
};
const offered = {
  promise: WATCHING,
  file: "commands/dashboard/offered.ts",
  tests: [`${dashboard}/offered_test.ts`],
};
const tokenFile = {
  promise: WATCHING,
  file: "commands/dashboard/token_file.ts",
  tests: [`${dashboard}/token_file_test.ts`],
};
const launch = {
  promise: LEAST,
  file: "core/client/launch.ts",
  tests: ["tests/core/client/launch_test.ts"],
};
const spool = {
  file: "core/spool/spool_folder.ts",
  tests: ["tests/core/spool/spool_folder_test.ts"],
};
const escape = {
  promise: TERMINAL,
  file: "commands/terminal/escape.ts",
  tests: ["tests/commands/terminal/terminal_test.ts"],
  filter: "escapeText shows",
};
const quote = {
  promise: TERMINAL,
  file: "core/base/shell_quote.ts",
  tests: ["tests/core/base/shell_quote_test.ts"],
};
const unit = {
  promise: "A service comes back",
  file: "commands/service/unit_syntax.ts",
  tests: ["tests/commands/service/unit_syntax_test.ts"],
  filter: "systemd reads in its own way",
};

export const securityMutants: Mutant[] = [
  {
    name: "data dir: others may read its folders",
    promise: OWNER,
    ...whateverUmask,
    from: "  Deno.chmodSync(path, 0o700);\n}\n\n/** Refuses",
    to: "  Deno.chmodSync(path, 0o755);\n}\n\n/** Refuses",
  },
  {
    name: "data dir: a group may read the databases",
    promise: OWNER,
    ...whateverUmask,
    from: "  Deno.chmodSync(path, 0o600);\n",
    to: "  Deno.chmodSync(path, 0o640);\n",
  },
  {
    name: "data dir: a file that a group can write is ours",
    promise: OWNER,
    ...inFiles,
    from: "const OTHERS_WRITE = 0o022;",
    to: "const OTHERS_WRITE = 0o002;",
  },
  {
    name: "data dir: follows a link to another file",
    promise: OWNER,
    ...inFiles,
    from: "const info = lstat(path)!;",
    to: "const info = lstat(path)!.isSymlink ? Deno.statSync(path) : lstat(path)!;",
  },
  {
    name: "data dir: takes a file that has a second name",
    promise: OWNER,
    ...inFiles,
    from: "(info.nlink ?? 1) > 1",
    to: "(info.nlink ?? 1) > 2",
  },
  {
    name: "data dir: takes whatever has the place of a file",
    promise: OWNER,
    ...inFiles,
    from: '(kind === "folder" ? !info.isDirectory : !info.isFile)',
    to: '(kind === "folder" ? !info.isDirectory : info.isDirectory)',
  },
  {
    name: "data dir: the side files of a database are not looked at",
    promise: OWNER,
    ...inFiles,
    from: 'if (lstat(file + suffix)) assertOurs(file + suffix, "file");',
    to: "",
  },
  {
    name: "data dir: a mode that lets others read stays",
    promise: OWNER,
    ...inFiles,
    from: "if (((info.mode ?? 0) & OTHERS) !== 0) Deno.chmodSync(path, mode);",
    to: "void mode;",
  },
  {
    name: "log: others may read it",
    promise: OWNER,
    file: "daemon/log.ts",
    from: "    Deno.chmodSync(path, 0o600);",
    to: "    Deno.chmodSync(path, 0o644);",
    tests: ["tests/daemon/data_dir_test.ts"],
    filter: "umask is 0",
  },
  {
    name: "announcement: others may read who holds the data dir",
    promise: OWNER,
    file: "daemon/announcement.ts",
    from: "{ createNew: true, mode: 0o600 }",
    to: "{ createNew: true, mode: 0o644 }",
    tests: ["tests/daemon/data_dir_test.ts"],
    filter: "umask is 0",
  },
  {
    name: "socket: everybody may connect",
    promise: OWNER,
    file: socket.file,
    from: "const wanted = group === undefined ? 0o600 : 0o660;",
    to: "const wanted = group === undefined ? 0o666 : 0o660;",
    tests: ["tests/daemon/data_dir_test.ts"],
    filter: "umask is 0",
  },
  {
    name: "socket: its folder may be one in which others write",
    promise: OWNER,
    ...socket,
    filter: "prepareSocketFolder",
    from: "((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0)",
    to: "false",
  },
  {
    name: "socket: removes whatever is at its path",
    promise: STALE,
    ...socket,
    filter: "is left alone, in words",
    from: "  if (!info.isSocket) {",
    to: "  if (info.isDirectory) {",
  },
  {
    name: "socket: removes one at which somebody answers",
    promise: STALE,
    ...socket,
    filter: "somebody else answers",
    from: "if (await answers(socket)) {",
    to: "if (!await answers(socket) && Math.random() > 1) {",
  },
  {
    name: "lock: writes through a link at the lock's path",
    promise: STALE,
    file: "daemon/lock.ts",
    from: "if (found && !found.isFile) {",
    to: "if (found?.isDirectory) {",
    tests: socket.tests,
    filter: "a file at the lock's path",
  },
  {
    name: "lock: a second daemon may have the socket's path",
    promise: "13. One daemon per data dir",
    file: "daemon/lock.ts",
    from:
      "  const lock = tryLock(Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 }));\n  if (lock) return lock;",
    to:
      "  const file = Deno.openSync(path, { read: true, write: true, create: true, mode: 0o600 });\n  if (file.isTerminal() === false) return tryLock(file) ?? { release: () => {} };",
    tests: ["tests/daemon/lock_test.ts"],
    filter: "when the socket is another data dir's",
  },
  {
    name: "launch: the daemon may read its environment",
    ...launch,
    from: '"--allow-sys=uid,statfs",',
    to: '"--allow-sys=uid,statfs",\n    "--allow-env",',
  },
  {
    name: "launch: the daemon may write everywhere",
    ...launch,
    from: "`--allow-write=${list(withRealPaths([dataDir, folder, ...spool, ...given(server)]))}`",
    to: '"--allow-write"',
  },
  {
    name: "launch: the daemon may use the network",
    ...launch,
    from: "`--allow-net=${list([`unix:${socket}`, ...given(net)])}`",
    to: '"--allow-net"',
  },
  {
    name: "launch: a comma in a path names another one",
    ...launch,
    from: 'if (!path.includes(",")) return path;',
    to: "return path;",
  },
  {
    name: "launch: the daemon sends telemetry",
    ...launch,
    promise: TCP,
    from: 'OTEL_DENO: "false"',
    to: 'OTEL_DENO: "true"',
  },
  {
    name: "permissions: a compiled daemon keeps the network",
    promise: LEAST,
    file: "daemon/permissions.ts",
    from: '["run", "ffi", "net", "env"] as const;\n/** The driver',
    to: '["run", "ffi", "env"] as const;\n/** The driver',
    tests: ["tests/daemon/permissions_test.ts"],
    filter: "giveUpPermissions",
  },
  {
    name: "dashboard: listens where others can reach it",
    promise: TCP,
    file: "commands/dashboard/address.ts",
    from: "const LOOPBACK_V4 = /^127(?:",
    to: "const LOOPBACK_V4 = /^\\d+(?:",
    tests: [`${dashboard}/address_test.ts`],
  },
  {
    name: "dashboard: answers to a name that ends like its own",
    ...guard,
    from: "if (name !== undefined && names.has(name.toLowerCase())) return;",
    to:
      "if (name !== undefined && [...names].some((own) => name.toLowerCase().endsWith(own))) return;",
  },
  {
    name: "dashboard: an origin that begins like its own is its own",
    ...guard,
    from: 'origin === `http://${header("host")}`',
    to: 'origin.startsWith(`http://${header("host")}`)',
  },
  {
    name: "dashboard: a change needs no Origin",
    ...guard,
    from: 'const isKnown = method === "GET" || method === "HEAD" || origin !== undefined;',
    to: "const isKnown = true;",
  },
  {
    name: "dashboard: what another site asks for is carried out",
    ...guard,
    from: 'site === "same-origin")',
    to: 'site !== "cross-site")',
  },
  {
    name: "dashboard: the cookie alone is a session",
    ...guard,
    from: 'return isSecret(header(KEY_HEADER) ?? "", secrets.key) && hasCookie;',
    to:
      "return (header(KEY_HEADER) === undefined || isSecret(header(KEY_HEADER)!, secrets.key)) && hasCookie;",
  },
  {
    name: "dashboard: the key alone is a session",
    ...guard,
    from: ".filter((value) => isSecret(value, secrets.cookie)).length > 0;",
    to: ".every((value) => isSecret(value, secrets.cookie));",
  },
  {
    name: "dashboard: a token is compared as far as it goes",
    promise: TCP,
    file: "commands/dashboard/secrets.ts",
    from: "return timingSafeEqual(digest(given), digest(expected));",
    to: "return timingSafeEqual(digest(given), digest(expected.slice(0, given.length)));",
    tests: guard.tests,
  },
  {
    name: "dashboard: its secrets have 64 bits",
    promise: TCP,
    file: "commands/dashboard/secrets.ts",
    from: "const BYTES = 32;",
    to: "const BYTES = 8;",
    tests: guard.tests,
  },
  {
    name: "dashboard: a scraper's token opens everything that is read",
    ...guard,
    promise: WATCHING,
    from: 'if (method !== "GET" || !SCRAPED.has(pathOf(target))) return undefined;',
    to: 'if (method !== "GET") return undefined;',
  },
  {
    name: "dashboard: wrong tokens are never slowed down",
    promise: TCP,
    file: "commands/dashboard/wrong_tokens.ts",
    from: "if (this.#count <= WRONG_TOKENS) return undefined;",
    to: "if (this.#count <= WRONG_TOKENS + 1) return undefined;",
    tests: guard.tests,
  },
  {
    name: "dashboard: stops the daemon for a page",
    ...offered,
    from: '    "/v1/schemas": "change-or-try",',
    to: '    "/v1/schemas": "change-or-try",\n    "/v1/shutdown": "change",',
  },
  {
    name: "dashboard: a route with an empty name is offered",
    ...offered,
    from: 'word === "*" ? words[n] !== "" : word === words[n]',
    to: 'word === "*" || word === words[n]',
  },
  {
    name: "dashboard: read-only takes dryRun for any of two values",
    ...offered,
    from: 'return values.length === 1 && values[0] === "1";',
    to: 'return values.includes("1");',
  },
  {
    name: "dashboard: read-only takes any dryRun for a dry run",
    ...offered,
    from: "(value as { dryRun: unknown }).dryRun === true;",
    to: "Boolean((value as { dryRun: unknown }).dryRun);",
  },
  {
    name: "dashboard: passes on the body of a dry run as it came",
    ...offered,
    from: "return isDry ? JSON.stringify(value) : undefined;",
    to: "return isDry ? new TextDecoder().decode(body) : undefined;",
  },
  {
    name: "dashboard: a token file may be read by all",
    ...tokenFile,
    from: "((mode ?? 0) & 0o027) !== 0",
    to: "((mode ?? 0) & 0o023) !== 0",
  },
  {
    name: "dashboard: a token file may be written by its group",
    ...tokenFile,
    from: "((mode ?? 0) & 0o027) !== 0",
    to: "((mode ?? 0) & 0o007) !== 0",
  },
  {
    name: "dashboard: a token that is made may be read by others",
    ...tokenFile,
    from: "{ createNew: true, mode: 0o600 }",
    to: "{ createNew: true, mode: 0o644 }",
  },
  {
    name: "dashboard: a token of 31 characters is one",
    ...tokenFile,
    from: "token.length >= SHORTEST",
    to: "token.length >= SHORTEST - 1",
  },
  {
    name: "dashboard: waits for whoever writes into a FIFO",
    ...tokenFile,
    from: "const { isFile } = await Deno.stat(path);",
    to: "const isFile = !(await Deno.stat(path)).isDirectory;",
  },
  {
    name: "dashboard: follows one stream too many",
    promise: WATCHING,
    file: "commands/dashboard/slots.ts",
    from: "this.#streams >= MAX_STREAMS",
    to: "this.#streams > MAX_STREAMS",
    tests: [`${dashboard}/slots_test.ts`],
  },
  {
    name: "dashboard: a request that failed keeps its slot",
    promise: WATCHING,
    file: "commands/dashboard/slots.ts",
    from: "    } finally {\n      this.#requests--;\n      if (isStream) this.#streams--;\n    }",
    to: "      this.#requests--;\n      if (isStream) this.#streams--;\n    } finally {\n    }",
    tests: [`${dashboard}/slots_test.ts`],
  },
  {
    name: "spool: the mode of a file depends on the umask",
    promise: OWNER,
    ...spool,
    from: "    Deno.chmodSync(unfinished, mode);\n",
    to: "",
  },
  {
    name: "spool: what was begun stays when its name cannot be had",
    promise: "What no daemon took is published once",
    ...spool,
    from: "    ifThere(() => Deno.removeSync(unfinished));\n    throw error;",
    to: "    throw error;",
  },
  {
    name: "spool: reads through a link",
    promise: OWNER,
    ...spool,
    from: "const named = Deno.lstatSync(path);",
    to: "const named = Deno.statSync(path);",
  },
  {
    name: "escape: C1 control characters reach the terminal",
    ...escape,
    from: "\\x7f-\\x9f",
    to: "\\x7f",
  },
  {
    name: "escape: text may be turned around",
    ...escape,
    from: "\\u2028-\\u202e\\u2060-\\u206f",
    to: "\\u2028-\\u2029\\u2060-\\u2064",
  },
  {
    name: "escape: an escape character reaches the terminal",
    ...escape,
    from: "/[\\x00-\\x1f",
    to: "/[\\x00-\\x1a\\x1c-\\x1f",
  },
  {
    name: "escape: only the first unsafe character is escaped",
    ...escape,
    from: "|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]/g;",
    to: "|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]/;",
  },
  {
    name: "shell quote: a quote ends the quotes",
    ...quote,
    from: "word.replaceAll(\"'\", `'\\\\''`)",
    to: "word.replaceAll(\"'\", `\\\\'`)",
  },
  {
    name: "shell quote: a dollar sign needs no quotes",
    ...quote,
    from: "/^[\\w@%+=:,./-]+$/",
    to: "/^[\\w@%+=:,./$-]+$/",
  },
  {
    name: "shell quote: what ends with a line feed needs no quotes",
    ...quote,
    from: "/^[\\w@%+=:,./-]+$/",
    to: "/^[\\w@%+=:,./-]+$/m",
  },
  {
    name: "shell quote: a flag goes to the handler",
    ...quote,
    from: "words.splice(end < 0 ? words.length : end, 0, flag);",
    to: "words.push(flag);",
  },
  {
    name: "unit file: a percent sign is systemd's",
    ...unit,
    from:
      '  const text = word.replaceAll("%", "%%");\n  if (PLAIN.test(text)) return text;\n  const escaped',
    to: "  const text = word;\n  if (PLAIN.test(text)) return text;\n  const escaped",
  },
  {
    name: "unit file: a dollar sign is a variable",
    ...unit,
    from: 'word.replaceAll("$", "$$$$")',
    to: "word",
  },
  {
    name: "unit file: a description goes on on the next line",
    ...unit,
    from: 'text.replace(UNREADABLE, "?")',
    to: "text",
  },
  {
    name: "unit file: a path may end with a backslash",
    ...unit,
    from: "/[\\s\\\\]$/.test(path)",
    to: "/\\s$/.test(path)",
  },
];
