/**
 * Checks events again that another node's change has overtaken on their way to the store: a schema
 * that was registered meanwhile, a topic that was changed, removed, or made anew.
 */
import { asError } from "../base/thrown.ts";
import { EvsError, InternalError } from "../base/errors.ts";
import type { CatalogRefresh } from "../state/stale.ts";
import type { AppendRequest, CheckedUnder, Recheck } from "../store/store.ts";
import type { TopicCatalog } from "../topic/catalog.ts";
import type { SchemaGate } from "./schema_gate.ts";

/** What checks events. */
export interface RecheckContext {
  shared: CatalogRefresh;
  topics: TopicCatalog;
  gate: SchemaGate;
}

const decoder = new TextDecoder();

/** Checks by what is so now. */
export function recheckBy(context: RecheckContext): Recheck {
  return async (requests) => {
    await context.shared.refresh();
    const refusals: (EvsError | undefined)[] = [];
    for (const request of requests) refusals.push(await refusalOf(request, context));
    return refusals;
  };
}

async function refusalOf(
  request: AppendRequest,
  { topics, gate }: RecheckContext,
): Promise<EvsError | undefined> {
  const { topic, under } = request;
  if (!under) return undefined;
  try {
    await topics.ensure(topic);
    await gate.ready(topic);
    const { rev = 0 } = topics.require(topic);
    // In one turn with what it is checked by.
    checkAgain(request, { under, gate });
    request.under = { topic: rev, ...(under.schemas === undefined ? {} : { schemas: gate.rev }) };
    return undefined;
  } catch (thrown) {
    const error = asError(thrown);
    return error instanceof EvsError
      ? error
      : new InternalError(`events of ${topic} could not be checked again`, { cause: error });
  }
}

function checkAgain(
  { topic, events }: AppendRequest,
  { under: { schemas: rev }, gate }: { under: CheckedUnder; gate: SchemaGate },
): void {
  if (rev === undefined) return; // they were accepted when it was so
  for (const event of events) {
    const { type, schemaVersion: recorded } = event;
    const text = gate.checks(topic, type) ? decoder.decode(event.payload) : undefined;
    const payload = text === undefined ? undefined : JSON.parse(text);
    event.schemaVersion = gate.admitAgain(topic, { type, payload, text, recorded, rev });
  }
}
