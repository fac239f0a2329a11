/** Makes what publishes are checked by: the catalog of topics and the gate of schemas. */
import type { Clock } from "../base/clock.ts";
import type { State, StateSnapshot } from "../state/state.ts";
import type { JournalStore } from "../store/store.ts";
import { TopicCatalog } from "../topic/catalog.ts";
import type { TopicStores } from "../topic/stores.ts";
import type { BrokerOptions } from "./broker_options.ts";
import { SchemaGate } from "./schema_gate.ts";
import type { SharedCatalog } from "./shared_catalog.ts";

/** What both are made from. */
export interface CatalogParts {
  state: State;
  store: JournalStore;
  clock: Clock;
  /** Set if other nodes use the state, too. */
  shared: SharedCatalog | undefined;
  places: TopicStores;
  /** Resolves when no append to a topic is under way. */
  settled(topic: string): Promise<void>;
  snapshot: StateSnapshot;
}

/** Both, as the state has them. */
export function catalogOf(
  options: BrokerOptions,
  { snapshot, ...context }: CatalogParts,
): { topics: TopicCatalog; gate: SchemaGate } {
  const topics = new TopicCatalog({
    ...context,
    autoCreate: options.autoCreateTopics ?? true,
    topics: snapshot.topics,
  });
  const gate = new SchemaGate({
    ...context,
    topics,
    registry: options.schemaRegistry,
    records: snapshot.schemas,
    levels: snapshot.levels,
  });
  return { topics, gate };
}
