/** The nodes that share the daemon's database, for the routes. */
import { NotFoundError, UnsupportedError } from "../core/base/errors.ts";
import type {
  AlertTurn,
  AlertTurnRequest,
  ClusterInfo,
  DrainRequest,
  NodeInfo,
  PartOwners,
} from "../core/protocol/node.ts";
import type { SubscriptionDriver } from "../core/delivery/driver.ts";
import type { SharedCounts } from "../core/state/shared_counts.ts";
import type { Exposition } from "./metrics.ts";

/** What is asked of the database. */
export interface ClusterSource {
  /** The name of this node. */
  node(): string;
  nodes(): Promise<NodeInfo[]>;
  /** False: there is no such node. */
  drain(node: string, draining: boolean): Promise<boolean>;
  owners(subscription: string): Promise<PartOwners[]>;
  /** The first seq of a topic that no node has finished for a subscription, at least `from`. */
  next(of: { topic: string; from: number; subscription: string }): Promise<number>;
  /** The database and its server. */
  facts(): Promise<Omit<ClusterInfo, "node" | "nodes">>;
  /** Whether an `evs alert` is to tell what is of all nodes. */
  alertTurn(request: AlertTurnRequest): Promise<AlertTurn>;
  /** What all nodes have to do, by subscription. */
  counts(): Promise<ReadonlyMap<string, SharedCounts>>;
  /** Writes the series that only nodes have. */
  writeMetrics(out: Exposition, subscriptions: SharedSubscriptions): void;
}

/** Subscriptions that nodes share. */
export interface SharedSubscriptions {
  /** Those that have series of their own. */
  labelled: readonly SubscriptionDriver[];
  /** What all nodes have of them, as far as that is known. */
  counts: ReadonlyMap<string, SharedCounts> | undefined;
}

/** The nodes, with this one among them. */
export class Cluster {
  readonly #source: ClusterSource;

  constructor(source: ClusterSource) {
    this.#source = source;
  }

  /** All that is told of it. */
  async info(): Promise<ClusterInfo> {
    const node = this.#source.node();
    const [facts, nodes] = await Promise.all([this.#source.facts(), this.nodes()]);
    return { node, ...facts, nodes };
  }

  /** All nodes that are known. */
  async nodes(): Promise<NodeInfo[]> {
    const nodes = await this.#source.nodes();
    const own = this.#source.node();
    return nodes.map((one) => one.node === own ? { ...one, self: true } : one);
  }

  /** Has a node give back what it owns, or take work again. Returns all nodes. */
  async drain({ node = this.#source.node(), draining = true }: DrainRequest): Promise<NodeInfo[]> {
    if (!await this.#source.drain(node, draining)) {
      throw new NotFoundError("node", `there is no node ${node}`, {
        hint: "evs node list shows them",
      });
    }
    return await this.nodes();
  }

  /** The first seq that a subscription has not finished; what was there before counts as that. */
  next(of: { topic: string; from: number; subscription: string }): Promise<number> {
    return this.#source.next(of);
  }

  /** Whether an `evs alert` is to tell what is of all nodes. */
  alertTurn(request: AlertTurnRequest): Promise<AlertTurn> {
    return this.#source.alertTurn(request);
  }

  /** What all nodes have to do, by subscription. */
  counts(): Promise<ReadonlyMap<string, SharedCounts>> {
    return this.#source.counts();
  }

  /** Adds the series that only nodes have. */
  writeMetrics(out: Exposition, subscriptions: SharedSubscriptions): void {
    this.#source.writeMetrics(out, subscriptions);
  }

  /** Who owns what of a subscription. */
  owners(subscription: string): Promise<PartOwners[]> {
    return this.#source.owners(subscription);
  }
}

/** The cluster of a daemon, or an error that says that it has none. */
export function requireCluster(cluster: Cluster | undefined): Cluster {
  if (cluster !== undefined) return cluster;
  throw new UnsupportedError("this daemon keeps its events itself, and shares them with no node", {
    code: "node/local",
    hint: "evs daemon run --store postgres://… makes a daemon that is a node: evs docs scaling",
  });
}
