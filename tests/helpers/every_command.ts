/**
 * A command line for every command. The list of commands comes from the route map, so a new command
 * needs a line here before its tests pass.
 */
import assert from "node:assert/strict";
import { completionTree } from "../../commands/completion/tree.ts";
import { verbs } from "../../commands/mod.ts";

/** One command as it is typed. */
export interface CommandLine {
  path: string;
  args: string[];
  stdin?: string;
  /** It uses a daemon, and cannot work without one. */
  asks: boolean;
}

/** What a command needs besides its name; `file` is a path in the test's folder. */
type Rest = (file: string) => { args?: string[]; stdin?: string; asks?: false };

const NOTHING: Rest = () => ({});
const LOCAL: Rest = () => ({ asks: false });

const REST: Record<string, Rest> = {
  "publish": () => ({ args: ["t", "n", "--ndjson"], stdin: "1\n2\n" }),
  "get": () => ({ args: ["t", "1"] }),
  "tail": () => ({ args: ["t", "--no-follow"] }),
  "replay": () => ({ args: ["t"] }),
  "expect": () => ({ args: ["t", "--timeout", "1m"] }),
  "consume": () => ({ args: ["t", "--name", "one", "--until-empty", "--", "true"] }),
  "node list": NOTHING,
  "node drain": NOTHING,
  "scheduled list": NOTHING,
  "scheduled cancel": () => ({ args: ["some-id"] }),
  "spool list": LOCAL,
  "spool retry": () => ({ args: ["--refused"], asks: false }),
  "spool remove": () => ({ args: ["--refused", "--yes"], asks: false }),
  "dlq list": NOTHING,
  "dlq groups": NOTHING,
  "dlq group": () => ({ args: ["000000"] }),
  "dlq note": () => ({ args: ["000000", "text"] }),
  "dlq dismiss": () => ({ args: ["000000"] }),
  "dlq resolve": () => ({ args: ["000000"] }),
  "dlq reopen": () => ({ args: ["000000"] }),
  "dlq show": () => ({ args: ["some-id"] }),
  "dlq retry": () => ({ args: ["--all"] }),
  "dlq edit": () => ({ args: ["one:some-id"] }),
  "dlq export": NOTHING,
  "dlq import": () => ({
    args: ["-"],
    stdin: '{"subscription":"one","event":{"type":"n","payload":1}}\n',
  }),
  "dlq remove": () => ({ args: ["--all", "--yes"] }),
  "dlq jobs list": NOTHING,
  "dlq jobs show": () => ({ args: ["retry-1"] }),
  "dlq jobs cancel": () => ({ args: ["retry-1"] }),
  "dlq purge": () => ({ args: ["--yes"] }),
  "history": NOTHING,
  "redact": () => ({ args: ["t", "1", "--yes"] }),
  "topic create": () => ({ args: ["made"] }),
  "topic list": NOTHING,
  "topic show": () => ({ args: ["t"] }),
  "topic update": () => ({ args: ["t", "--max-events", "1000"] }),
  "topic remove": () => ({ args: ["made", "--yes"] }),
  "subscription create": () => ({ args: ["another", "t"] }),
  "subscription list": NOTHING,
  "subscription show": () => ({ args: ["one"] }),
  "subscription pause": () => ({ args: ["one"] }),
  "subscription resume": () => ({ args: ["one"] }),
  "subscription seek": () => ({ args: ["one", "end"] }),
  "subscription retries": () => ({ args: ["one"] }),
  "subscription remove": () => ({ args: ["one", "--yes"] }),
  "schema register": () => ({ args: ["n", "-"], stdin: '{"type":"integer"}' }),
  "schema list": NOTHING,
  "schema show": () => ({ args: ["n"] }),
  "schema check": () => ({ args: ["n"], stdin: "1\n" }),
  "schema asyncapi": NOTHING,
  "schema diff": () => ({ args: ["n", "-"], stdin: '{"type":"integer"}' }),
  "schema remove": () => ({ args: ["n", "--version", "1.0", "--yes"] }),
  "daemon run": LOCAL,
  "daemon start": NOTHING,
  "daemon stop": NOTHING,
  "daemon restart": NOTHING,
  "daemon status": NOTHING,
  "daemon logs": LOCAL,
  "top": () => ({ args: ["--once"] }),
  "context list": LOCAL,
  // Refused: those who run this have contexts of their own.
  "context show": () => ({ args: ["no such name"], asks: false }),
  "context use": () => ({ args: ["no such name"], asks: false }),
  "context set": () => ({ args: ["no such name", "--data-dir", "/nowhere"], asks: false }),
  "context remove": () => ({ args: ["no such name"], asks: false }),
  "service print daemon": LOCAL,
  "service print consume": () => ({ args: ["t", "--name", "one", "--", "true"], asks: false }),
  "service print alert": () => ({ args: ["--dlq", ">0", "--", "true"], asks: false }),
  // Refused: those who run this have a real home.
  "service install daemon": () => ({ args: ["--user", "--system"], asks: false }),
  "service install consume": () => ({
    args: ["t", "--name", "one", "--user", "--system", "--", "true"],
    asks: false,
  }),
  "service install alert": () => ({
    args: ["--dlq", ">0", "--user", "--system", "--", "true"],
    asks: false,
  }),
  "service remove daemon": () => ({ args: ["--user", "--system"], asks: false }),
  "service remove alert": () => ({ args: ["main", "--user", "--system"], asks: false }),
  "service remove consume": () => ({ args: ["one", "--user", "--system"], asks: false }),
  "status": NOTHING,
  "audit": NOTHING,
  "doctor": NOTHING,
  "backup": (file) => ({ args: [file], asks: false }),
  "restore": (file) => ({ args: [file], asks: false }),
  "export": NOTHING,
  "import": () => ({
    stdin:
      '{"topic":"t","seq":9,"id":"i9","type":"n","timestamp":1,"schemaVersion":"1.0","metadata":{},"payload":9}\n',
  }),
  "bench": () => ({ args: ["--events", "10", "--singles", "2"] }),
  // At an address where it may listen it would go on until somebody ends it.
  "dashboard": () => ({ args: ["--listen", "0.0.0.0:0"], asks: false }),
  "check dlq": () => ({ args: ["--warn", "1", "--crit", "2"] }),
  "check lag": () => ({ args: ["--warn", "1000", "--crit", "2000"] }),
  "check age": () => ({ args: ["--warn", "5m", "--crit", "1h"] }),
  "check leased": () => ({ args: ["--warn", "5m", "--crit", "1h"] }),
  "check refused": () => ({ args: ["--warn", "1000", "--crit", "2000"] }),
  "check disk": () => ({ args: ["--warn", "2%", "--crit", "1%"], asks: false }),
  // Refused: those who run this have a state of their own, in which it would remember.
  "alert": () => ({ args: ["--down", "off", "--", "true"], asks: false }),
  "with": () => ({ args: ["--", "true"], asks: false }),
  "docs": LOCAL,
  "completions bash": LOCAL,
  "completions zsh": LOCAL,
  "completions fish": LOCAL,
};

/** Every command, in help order. Throws for one that has no line here. */
export async function everyCommand(file: string): Promise<CommandLine[]> {
  const entries = await Promise.all(
    [...verbs].map(async ([name, { brief, load }]) => ({
      name,
      brief,
      target: (await load()).route,
    })),
  );
  const paths = completionTree(entries).filter(({ routes }) => routes.length === 0)
    .map(({ path }) => path);
  assert.deepEqual(paths.filter((path) => !(path in REST)), [], "commands without a line here");
  assert.deepEqual(Object.keys(REST).filter((path) => !paths.includes(path)), [], "lines too many");
  return paths.map((path) => {
    const { args = [], stdin, asks = true } = REST[path]!(file);
    return { path, args: [...path.split(" "), ...args], asks, stdin };
  });
}
