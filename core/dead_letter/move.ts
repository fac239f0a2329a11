/**
 * Dead letters become retries again: all of them in one transaction, however many there are and
 * whoever gets them. Neither events nor attempts come into memory for it; the writer of the state
 * moves them by SQL.
 */
import { planRedeliveryFromState, type Redelivery } from "../delivery/redeliver.ts";
import type { SubscriptionDriver } from "../delivery/driver.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import type { Plan } from "../delivery/plan.ts";
import type { State } from "../state/state.ts";
import { keyOf, readEntries } from "./entries.ts";
import { deadLetterName } from "../state/dead_letter_name.ts";

/** Entries that are looked for before others are served. */
const CHUNK = 500;

/**
 * Moves entries, in their order, to `to` or to the subscriptions that failed. What is gone
 * meanwhile is left out.
 */
export async function moveDeadLetters(
  entries: readonly Redelivery[],
  { state, subscriptions, to }: {
    state: State;
    subscriptions: SubscriptionManager;
    to: string | undefined;
  },
): Promise<void> {
  const targets = new Set(entries.map(({ subscription }) => to ?? subscription));
  const sources = entries.map(({ subscription }) => subscription)
    .filter((name) => subscriptions.has(name));
  // In one order for all: two that hold the same subscriptions never wait for each other.
  const names = [...new Set([...targets, ...sources])].sort();
  await holding(names.map((name) => subscriptions.require(name)), async () => {
    const there = await stillThere(entries, state);
    const moves = [...Map.groupBy(there, ({ subscription }) => to ?? subscription)]
      .map(([name, own]) => {
        const driver = subscriptions.require(name);
        driver.look();
        return { driver, plan: planRedeliveryFromState(driver.queue, own, driver.now()) };
      });
    await commitTogether(moves, state);
  });
}

async function commitTogether(
  moves: readonly { driver: SubscriptionDriver; plan: Plan }[],
  state: State,
): Promise<void> {
  try {
    const lasting = moves.filter(({ driver }) => driver.ledger.lasts);
    await state.commit(lasting.flatMap(({ plan }) => plan.changes));
  } catch (error) {
    for (const { driver, plan } of moves) {
      plan.rollback();
      // What was taken out of the way is read again.
      driver.reread();
    }
    throw error;
  }
  for (const { driver, plan } of moves) {
    if (!driver.ledger.lasts) await driver.ledger.commit(plan.changes, []);
    plan.apply();
  }
}

function holding(
  drivers: readonly SubscriptionDriver[],
  action: () => Promise<void>,
): Promise<void> {
  const [first, ...rest] = drivers;
  return first ? first.hold(() => holding(rest, action)) : action();
}

/** Those that nobody has taken away since they were found. */
async function stillThere(entries: readonly Redelivery[], state: State): Promise<Redelivery[]> {
  const there: Redelivery[] = [];
  for (let at = 0; at < entries.length; at += CHUNK) {
    if (at > 0) await new Promise((resolve) => setTimeout(resolve, 0));
    const chunk = entries.slice(at, at + CHUNK);
    if (areThere(chunk, state)) {
      there.push(...chunk);
      continue;
    }
    const found = new Set(readEntries(state, chunk).map(keyOf));
    there.push(...chunk.filter((entry) => found.has(keyOf(entry))));
  }
  return there;
}

/** Counted, not read: nearly always all of them are. */
function areThere(entries: readonly Redelivery[], state: State): boolean {
  let count = 0;
  for (const [topic, own] of Map.groupBy(entries, (entry) => entry.topic)) {
    count += state.countDeadLetters({ topic, ids: own.map(deadLetterName) });
  }
  return count === entries.length;
}
