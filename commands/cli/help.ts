/** `evs --help`. */
import type { LazyRoute } from "./define.ts";
import type { Palette } from "../terminal/colour.ts";
import { pad, width } from "../terminal/table.ts";

/** What one does first, with its meaning; whole lines. */
export const EXAMPLES: readonly (readonly [command: string, meaning: string])[] = [
  ["evs daemon start", "Start the daemon."],
  [
    `evs publish users user.created '{"userId":"u1"}'`,
    "Publish one event to the topic users.",
  ],
  [
    "tail -f access.log.json | evs publish log line --ndjson",
    "Publish a stream, one event per line.",
  ],
  ["evs tail users", "See events as they arrive."],
  ["evs replay users --from @-1h | jq .payload", "The last hour, as NDJSON."],
  [
    "evs consume users --name mailer -- ./send-mail.sh",
    "Run a command for each event; failures are retried, then dead-lettered.",
  ],
  ["evs dlq list", "See what failed, and why."],
];

/** The overview of all commands. */
export function overview(
  routes: ReadonlyMap<string, LazyRoute>,
  options: { paint: Palette; version: string },
): string {
  const { paint } = options;
  const longest = Math.max(...[...routes.keys()].map(width));
  const verbs = [...routes].map(([name, route]) =>
    `  ${paint.bold(pad(name, { width: longest }))}  ${route.brief}`
  );
  return `${
    paint.bold("evs")
  } ${options.version}: an event stream for one machine that a shell can use

USAGE
  evs COMMAND [ARGUMENTS] [FLAGS]

COMMANDS
${verbs.join("\n")}

FLAGS
  --help     for evs or any command, with examples
  --version  print the version
  --json     for every command: JSON, even on a terminal and for errors
  --wait DURATION  for every command that uses the daemon: wait this long for it
  --socket FILE, --data-dir FOLDER, --config FILE  for every command: instead of
             EVS_SOCKET, EVS_DATA_DIR and EVS_CONFIG; --context NAME: all three
  --color auto|always|never, --quiet, --verbose

EXAMPLES
${EXAMPLES.map(([command, meaning]) => `  ${command}\n      ${meaning}`).join("\n")}

EXIT CODES
  0 success                    4 an event was rejected  7 cannot store or write
  1 not found, or timed out    5 no daemon              70 a bug in evs
  2 invalid command line       6 partly done            130 Ctrl-C
  3 conflict
`;
}
