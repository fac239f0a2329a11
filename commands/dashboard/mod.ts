/** `evs dashboard`: a page in the browser, served on loopback by a process of its own. */
import { EvsError } from "../../core/base/errors.ts";
import { actorClaim } from "../../core/client/consumer_facts.ts";
import { encodeActor } from "../../core/protocol/actor.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { placePath } from "../cli/arguments.ts";
import { passSignals } from "../terminal/signals.ts";
import { DEFAULT_PORT, inUrl, type ListenAddress, listenAddress } from "./address.ts";
import { readAssets } from "./assets.ts";
import { LinkFile } from "./open_link.ts";
import { ownRoutes } from "./own_routes.ts";
import { makeSecrets } from "./secrets.ts";
import { type Dashboard, type DashboardOptions, serveDashboard } from "./server.ts";
import { scraperTokenIn } from "./token_file.ts";

interface DashboardFlags {
  listen?: ListenAddress;
  readOnly?: boolean;
  open?: boolean;
  tokenFile?: string;
}

export const route = verb<DashboardFlags, []>({
  brief: "Show the daemon in the browser",
  description:
    "Serves a page on the loopback interface until Ctrl-C, and prints the link that opens it. The link has a token: whoever has it can do what the page can do, so give it to nobody. With --read-only the page shows everything and changes nothing.\n\n" +
    "The daemon need not be running: the page says so, and goes on when it is there. /metrics is served at the same address, for a scraper that has the token of --token-file.",
  examples: [
    ["dashboard --open", "in your browser"],
    ["dashboard --read-only --listen 127.0.0.1:0", "to look only, at any port that is free"],
    ["dashboard --token-file scraper-token", "with /metrics for Prometheus"],
  ],
  parameters: {
    flags: {
      listen: {
        kind: "parsed",
        parse: listenAddress,
        brief:
          `Address on loopback to listen at; 127.0.0.1:${DEFAULT_PORT}, or another port if that is taken`,
        placeholder: "ADDRESS",
        optional: true,
      },
      readOnly: { kind: "boolean", brief: "Change nothing", optional: true },
      open: { kind: "boolean", brief: "Open the link in the browser", optional: true },
      tokenFile: {
        kind: "parsed",
        parse: placePath,
        brief: "File with the token for /metrics; made if it is missing",
        placeholder: "FILE",
        optional: true,
      },
    },
  },
  needsDaemon: false,
  run: serve,
});

async function serve(this: EvsContext, flags: DashboardFlags): Promise<void> {
  const { listen, readOnly = false, open = false, tokenFile } = flags;
  const ended = Promise.withResolvers<void>();
  const stop = passSignals(() => ended.resolve());
  try {
    const client = await this.client();
    const secrets = makeSecrets();
    const entered = Promise.withResolvers<void>();
    const dashboard = await serveSomewhere(this, listen, {
      client,
      readOnly,
      actor: encodeActor(actorClaim("dashboard", { command: "evs dashboard" })),
      secrets,
      scrapeToken: tokenFile === undefined ? undefined : await scraperTokenIn(tokenFile),
      assets: await readAssets(),
      own: ownRoutes({ client, paths: this.paths, readOnly }),
      clock: this.clock,
      say: (text) => this.say(text),
      entered: () => entered.resolve(),
    });
    const url = `http://${inUrl(dashboard.address)}/?token=${secrets.token}`;
    announce(this, { url, readOnly });
    const done = Promise.race([entered.promise, ended.promise]);
    if (open) await openLink(this, { url, done });
    await ended.promise;
    await dashboard.close();
  } finally {
    stop();
  }
}

/** Without an address that was asked for: at the usual port, or else at any. */
async function serveSomewhere(
  context: EvsContext,
  listen: ListenAddress | undefined,
  options: Omit<DashboardOptions, "address">,
): Promise<Dashboard> {
  const usual = { hostname: "127.0.0.1", port: DEFAULT_PORT };
  try {
    return await serveDashboard({ ...options, address: listen ?? usual });
  } catch (error) {
    const isTaken = error instanceof EvsError && error.code === "dashboard/port-taken";
    if (listen !== undefined || !isTaken) throw error;
    context.note(`port ${DEFAULT_PORT} is taken, perhaps by another dashboard; this takes another`);
    return await serveDashboard({ ...options, address: { ...usual, port: 0 } });
  }
}

function announce(
  context: EvsContext,
  { url, readOnly }: { url: string; readOnly: boolean },
): void {
  if (!context.forPeople) return context.printJson({ ready: true, url, readOnly, pid: Deno.pid });
  context.print(`${readOnly ? "The dashboard, which changes nothing" : "The dashboard"}: ${url}`);
  context.say("Whoever has this link can use it. Ctrl-C ends it.");
}

/** Opens the link in the browser, and keeps the file that leads there until somebody is in. */
async function openLink(
  context: EvsContext,
  { url, done }: { url: string; done: Promise<void> },
): Promise<void> {
  await using file = await LinkFile.make(url);
  // Some openers end with the browser that they open.
  const failed = await Promise.race([file.open(), done]);
  if (failed === undefined) return await done;
  context.say(`the browser was not opened: ${failed}; open the link yourself`);
}
