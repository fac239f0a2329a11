/**
 * The collection that the seed's Mongo class uses. No server that speaks MongoDB's protocol is
 * available here: Debian has none, and those on npm download their binaries from elsewhere. So this
 * is an in-memory collection with the part of the driver's interface that the class uses, and
 * mongo_test.ts lets the compiler check that the driver's collection fits in the same place. The
 * wire protocol and the behaviour of a real server are not tested.
 */

/** The part of the driver's `Collection` that the class uses. */
export interface MongoCollection {
  insertOne(document: Record<string, unknown>): Promise<unknown>;
  find(query: Record<string, unknown>): MongoCursor;
  updateOne(
    query: Record<string, unknown>,
    update: { $inc: Record<string, number> },
  ): Promise<{ modifiedCount: number }>;
  deleteOne(query: Record<string, unknown>): Promise<{ deletedCount: number }>;
}

/** The part of its cursor. */
export interface MongoCursor {
  sort(by: Record<string, 1 | -1>): MongoCursor;
  limit(count: number): MongoCursor;
  // deno-lint-ignore no-explicit-any -- documents of any shape, as the driver gives them
  toArray(): Promise<any[]>;
}

type Document = Record<string, unknown>;

/** The value at a dotted path. */
function at(document: Document, path: string): unknown {
  return path.split(".").reduce<unknown>(
    (value, name) => (value as Document | undefined)?.[name],
    document,
  );
}

function matches(document: Document, query: Document): boolean {
  return Object.entries(query).every(([path, value]) => at(document, path) === value);
}

class MemoryCollection implements MongoCollection {
  #documents: Document[] = [];

  insertOne(document: Document): Promise<unknown> {
    this.#documents.push(structuredClone(document));
    return Promise.resolve({ acknowledged: true });
  }

  find(query: Document): MongoCursor {
    let found = this.#documents.filter((document) => matches(document, query));
    const cursor: MongoCursor = {
      sort(by) {
        const [path, direction] = Object.entries(by)[0]!;
        found = found.toSorted((a, b) => direction * (Number(at(a, path)) - Number(at(b, path))));
        return cursor;
      },
      limit(count) {
        // As the driver has it: 0 is no limit.
        if (count > 0) found = found.slice(0, count);
        return cursor;
      },
      toArray: () => Promise.resolve(structuredClone(found)),
    };
    return cursor;
  }

  updateOne(
    query: Document,
    { $inc }: { $inc: Record<string, number> },
  ): Promise<{ modifiedCount: number }> {
    const document = this.#documents.find((one) => matches(one, query));
    for (const [name, by] of document ? Object.entries($inc) : []) {
      document![name] = Number(document![name]) + by;
    }
    return Promise.resolve({ modifiedCount: document ? 1 : 0 });
  }

  deleteOne(query: Document): Promise<{ deletedCount: number }> {
    const index = this.#documents.findIndex((document) => matches(document, query));
    if (index >= 0) this.#documents.splice(index, 1);
    return Promise.resolve({ deletedCount: index >= 0 ? 1 : 0 });
  }
}

const servers = new Map<string, Map<string, MongoCollection>>();

/** Stands for the driver's client: one connection string is one server. */
export class MongoClient {
  readonly #server: Map<string, MongoCollection>;

  constructor(connectionString: string) {
    this.#server = servers.get(connectionString) ?? new Map();
    servers.set(connectionString, this.#server);
  }

  database(database: string): { collection(name: string): MongoCollection } {
    return {
      collection: (name) => {
        const path = `${database}.${name}`;
        const there = this.#server.get(path) ?? new MemoryCollection();
        this.#server.set(path, there);
        return there;
      },
    };
  }
}
