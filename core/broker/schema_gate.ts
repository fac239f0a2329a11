/**
 * Checks payloads before they are stored: the schema check of a topic, and the schemas in the
 * state.
 */
import type { ActOptions } from "../event/audit.ts";
import { audited } from "../state/audited.ts";
import { ConflictError, EventRefusedError, EvsError, NotFoundError } from "../base/errors.ts";
import { EarlierVersions } from "./earlier_versions.ts";
import { asCause, thrownText } from "../base/thrown.ts";
import {
  type CompiledSchema,
  JsonSchemaRegistry,
  type SchemaPlan,
  type SchemaRegistry,
  type SchemaRequest,
} from "../schema/registry.ts";
import { shellQuote } from "../base/shell_quote.ts";
import { type CatalogRefresh, decideAgain, newRev, type SchemaRevs } from "../state/stale.ts";
import type { ChangeOf, LevelRecord, SchemaRecord, State, StateChange } from "../state/state.ts";
import { didYouMean } from "../base/suggest.ts";
import type { TopicCatalog } from "../topic/catalog.ts";

/** What a gate needs. */
export interface GateContext {
  state: State;
  topics: TopicCatalog;
  clock: { now(): number };
  /** The application's own; absent: one stored in the state. */
  registry: SchemaRegistry | undefined;
  records: readonly SchemaRecord[];
  levels: readonly LevelRecord[];
  /** Set if other nodes change the schemas, too. */
  shared?: CatalogRefresh | undefined;
}

/** What others have changed of the schemas. */
export type SchemaCatalogChange = ChangeOf<"schema.put" | "schema.remove" | "schema.level">;

/** The part of an event that is checked. */
export interface Candidate {
  type: string;
  /** The version given by the publisher. */
  version: string | undefined;
  /** The parsed payload. */
  payload: unknown;
  /** The payload as JSON text, if available, so that numbers keep their notation. */
  text?: string | undefined;
}

/** Most faults that a message names; `details.faults` has all of them. */
const NAMED = 3;

/**
 * An application's own registry may throw anything: then only this event is refused, not those
 * published with it.
 */
function verdictOf(registry: SchemaRegistry, candidate: Candidate) {
  const { type, version, payload, text } = candidate;
  try {
    return registry.validate(type, version, payload, text);
  } catch (cause) {
    if (cause instanceof EvsError) throw cause;
    throw new EventRefusedError(
      "event/validator-failed",
      `the schema registry of this application failed on ${type}: ${thrownText(cause)}`,
      {
        cause: asCause(cause),
        hint: "`validate` must return what is wrong as `faults`, not throw",
      },
    );
  }
}

/** Checks payloads before they are stored. */
export class SchemaGate {
  /** The schemas in the state. */
  readonly schemas: JsonSchemaRegistry;
  /**
   * Which state of the schemas payloads are checked by, where several nodes share it: their rev
   * (core/state/stale.ts). It is never newer than the schemas here.
   */
  rev = 0;
  readonly #earlier = new EarlierVersions();
  readonly #default: SchemaRegistry;
  #turn: Promise<void> = Promise.resolve();
  readonly #ofTopic = new Map<string, SchemaRegistry>();
  readonly #context: GateContext;

  constructor(context: GateContext) {
    this.#context = context;
    const { registry, clock, records, levels } = context;
    this.schemas = registry instanceof JsonSchemaRegistry
      ? registry
      : new JsonSchemaRegistry({ now: () => clock.now() });
    this.schemas.load(records, levels);
    this.#default = registry ?? this.schemas;
  }

  /** Uses a separate registry for a topic's payloads. */
  use(topic: string, registry: SchemaRegistry): void {
    this.#ofTopic.set(topic, registry);
  }

  #of(topic: string): SchemaRegistry {
    return this.#ofTopic.get(topic) ?? this.#default;
  }

  /** True if payloads of this type are checked. */
  checks(topic: string, type: string): boolean {
    return this.#context.topics.get(topic)?.options.schema !== "off" && this.#of(topic).has(type);
  }

  /** The version to record if payloads of this type are not checked; undefined if they are. */
  unchecked(topic: string, { type, version }: Omit<Candidate, "payload">): string | undefined {
    const mode = this.#context.topics.get(topic)?.options.schema ?? "validate";
    if (this.checks(topic, type) || (mode === "require" && !this.#of(topic).has(type))) {
      return undefined;
    }
    return this.admit(topic, { type, version, payload: undefined });
  }

  /** The version of a payload that is neither stored nor checked; undefined for all others. */
  quickVersion(topic: string, type: string): string | undefined {
    const options = this.#context.topics.get(topic)?.options;
    const isQuick = options?.persistent === false && options.schema === "validate";
    return isQuick && !this.#of(topic).has(type) ? "1.0" : undefined;
  }

  /**
   * True if `admit` can decide on this topic at once; unknown, so false, for an application's own
   * registry.
   */
  isReady(topic: string): boolean {
    const registry = this.#of(topic);
    return registry instanceof JsonSchemaRegistry && registry.isReady;
  }

  /** Resolves when `admit` can decide on this topic without waiting. */
  ready(topic?: string): Promise<void> {
    return (topic === undefined ? this.#default : this.#of(topic)).ready();
  }

  /** Returns the version to record, or throws `EventRefusedError` with `details.faults`. */
  admit(topic: string, { type, version, payload, text }: Candidate): string {
    const mode = this.#context.topics.get(topic)?.options.schema ?? "validate";
    const registry = this.#of(topic);
    if (mode === "off") return version ?? this.schemas.latest(type) ?? "1.0";
    if (!registry.has(type)) {
      if (mode === "validate") return version ?? "1.0";
      throw new EventRefusedError(
        "event/schema-required",
        `${topic} takes only types with a schema, and ${type} has none`,
        { hint: `evs schema register ${shellQuote(type)} FILE`, details: { topic, type } },
      );
    }
    const verdict = verdictOf(registry, { type, version, payload, text });
    if (verdict.faults.length === 0) return verdict.version;
    const named = verdict.faults.slice(0, NAMED).map(({ pointer, message }) =>
      `${pointer || "the payload"} ${message}`
    );
    const more = verdict.faults.length - named.length;
    throw new EventRefusedError(
      "event/schema-violation",
      `the payload does not follow the schema of ${type} ${verdict.version}: ${named.join("; ")}${
        more > 0 ? `; and ${more} more` : ""
      }`,
      {
        hint: `evs schema show ${shellQuote(type)}`,
        details: { type, version: verdict.version, faults: verdict.faults },
      },
    );
  }

  /**
   * Registers and stores schemas, all or none; durable when it resolves. With `dryRun` it only
   * returns what would happen. One call at a time, so that the schemas compared with are still
   * current at the end.
   */
  register(
    requests: readonly SchemaRequest[],
    options: ActOptions & { dryRun?: boolean } = {},
  ): Promise<SchemaPlan[]> {
    return this.#inTurn(() => this.#decide(() => this.#register(requests, options)));
  }

  /** What is decided of schemas is decided by all of them, so they are looked at first. */
  #decide<T>(decide: () => Promise<T>): Promise<T> {
    const { shared } = this.#context;
    return shared ? shared.refresh().then(() => decideAgain(shared, decide)) : decide();
  }

  /** What a change names and stores besides, where others change schemas, too. */
  #revs(): { revs?: SchemaRevs } {
    return this.#context.shared ? { revs: { before: this.rev, rev: newRev() } } : {};
  }

  /**
   * What other nodes have changed: returns what puts it into force, once it is compiled, so that no
   * payload meets a schema that is not.
   */
  async learning(
    changes: readonly SchemaCatalogChange[],
  ): Promise<(changes: readonly SchemaCatalogChange[], rev: number) => void> {
    const put = changes.flatMap((change) => change.op === "schema.put" ? [change.record] : []);
    const compiled = await this.schemas.compile(put);
    return (changes, rev) => {
      this.#changing(changes);
      for (const change of changes) this.#learn(change, compiled);
      this.rev = rev;
    };
  }

  /** Remembers which versions apply, before they are others. */
  #changing(changes: readonly StateChange[]): void {
    const types = changes.flatMap((change) =>
      change.op === "schema.put"
        ? [change.record.type]
        : change.op === "schema.remove"
        ? [change.type]
        : []
    );
    this.#earlier.note(this.rev, new Map(types.map((type) => [type, this.schemas.latest(type)])));
  }

  /**
   * Checks an event again that was checked by the schemas of `rev`: returns the version to record,
   * or throws as {@link admit}. A version that applied then, because it was the highest, was not
   * given.
   */
  admitAgain(
    topic: string,
    { recorded, rev, ...candidate }: Omit<Candidate, "version"> & { recorded: string; rev: number },
  ): string {
    const current = this.schemas.latest(candidate.type);
    const latest = rev === this.rev ? current : this.#earlier.at(rev, candidate.type, current);
    const version = recorded === (latest ?? "1.0") ? undefined : recorded;
    return this.admit(topic, { ...candidate, version });
  }

  #learn(change: SchemaCatalogChange, compiled: readonly CompiledSchema[]): void {
    if (change.op === "schema.level") {
      this.schemas.setLevel(change.record.type, change.record.level);
    } else if (change.op === "schema.remove") this.schemas.remove(change.type, change.version);
    else {
      const { record } = change;
      const entry = compiled.find((one) => one.record === record);
      this.schemas.learn([entry ?? { record, validator: undefined }]);
    }
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(change);
    this.#turn = turn.then(() => {}, () => {});
    return turn;
  }

  async #register(
    requests: readonly SchemaRequest[],
    { dryRun, act }: ActOptions & { dryRun?: boolean },
  ): Promise<SchemaPlan[]> {
    // What others change while this is compared is not what it was compared with.
    const revs = this.#revs();
    const plans = await this.schemas.plan(requests);
    if (dryRun) return plans;
    const changes = plans.flatMap(({ record, created, compatibility: level }): StateChange[] => {
      const { type, version } = record;
      const isLevel = level !== this.schemas.level(type);
      const details = { type, version, compatibility: isLevel ? level : undefined };
      return [
        ...created ? [{ op: "schema.put", record, ...revs } as const] : [],
        ...isLevel ? [{ op: "schema.level", record: { type, level }, ...revs } as const] : [],
        ...created || isLevel ? audited(act, { act: "schema.register", details }) : [],
      ];
    });
    await this.#context.state.commit(changes);
    // Nothing of it is new: by now, others may have changed what it says of levels.
    if (changes.length === 0) return plans;
    if (revs.revs) this.#changing(changes);
    this.schemas.take(plans);
    if (revs.revs) this.rev = revs.revs.rev;
    return plans;
  }

  /** Removes a schema; durable when it resolves. In turn with the others: two may be the last two. */
  remove(type: string, version: string, options: ActOptions = {}): Promise<void> {
    return this.#inTurn(() => this.#decide(() => this.#remove(type, version, options)));
  }

  async #remove(type: string, version: string, { act }: ActOptions): Promise<void> {
    if (!this.schemas.has(type, version)) {
      throw new NotFoundError("schema", `${type} has no schema version ${version}`, {
        hint: didYouMean(type, this.schemas.list().map((record) => record.type)) ??
          "evs schema list shows what there is",
        details: { type, version },
      });
    }
    this.#assertNotRequired(type);
    const revs = this.#revs();
    const change = { op: "schema.remove", type, version, ...revs } as const;
    await this.#context.state.commit([
      change,
      ...audited(act, { act: "schema.remove", details: { type, version } }),
    ]);
    if (revs.revs) this.#changing([change]);
    this.schemas.remove(type, version);
    if (revs.revs) this.rev = revs.revs.rev;
  }

  /**
   * Without its last schema, a topic with `schema: require` would refuse every event of the type.
   */
  #assertNotRequired(type: string): void {
    if (this.schemas.versions(type).length > 1) return;
    const topics = this.#context.topics.list().filter(({ options }) => options.schema === "require")
      .map(({ name }) => name);
    if (topics.length === 0) return;
    throw new ConflictError(
      `this is the last schema of ${type}, and ${topics.join(", ")} ${
        topics.length === 1 ? "takes" : "take"
      } only types with a schema`,
      {
        code: "schema/required",
        details: { type, topics },
        hint: `evs topic update ${topics[0]} --schema validate`,
      },
    );
  }
}
