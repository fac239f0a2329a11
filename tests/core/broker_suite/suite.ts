/** The tests for every broker: in memory, on SQLite, and behind a daemon's socket. */
import type { Broker } from "../../../mod.ts";
import { Telemetry } from "../../helpers/spans.ts";
import { delivery } from "./delivery.ts";
import { groups } from "./groups.ts";
import { lifetime } from "./lifetime.ts";
import { publishing } from "./publishing.ts";
import { publishingAll } from "./publishing_all.ts";
import { reading } from "./reading.ts";
import { throwing } from "./throwing.ts";
import { tracing } from "./tracing.ts";
import { waiting } from "./waiting.ts";

/** A broker to be tested. */
export interface Subject extends AsyncDisposable {
  broker: Broker;
  /** What `onError` was told. */
  errors: unknown[];
  /** Another broker on the same events and state; the first one is closed by then. */
  reopen(): Promise<Broker>;
}

/** Registers one test; each gets its own subject. */
export type Test = (what: string, run: (subject: Subject) => Promise<void>) => void;

/** Registers all tests for a broker. */
export function brokerSuite(options: { name: string; open(): Promise<Subject> }): void {
  const test: Test = (what, run) =>
    Deno.test(`${options.name} ${what}`, async () => {
      await using subject = await options.open();
      await run(subject);
    });
  publishing(test);
  publishingAll(test);
  delivery(test);
  groups(test);
  lifetime(test);
  throwing(test);
  throwing((what, run) =>
    test(`${what}, in spans`, async (subject) => {
      using _ = new Telemetry();
      await run(subject);
    })
  );
  waiting(test);
  tracing(test);
  reading(test);
}
