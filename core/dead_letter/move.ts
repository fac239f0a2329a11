/**
 * Turns dead letters into retries again: all in one transaction, however many there are, for any
 * number of subscriptions. Neither events nor attempts come into memory; the writer of the state
 * moves them with SQL.
 */
import { registeredModule } from "../base/module_registry.ts";
import { planRedeliveryFromState, type Redelivery } from "../delivery/redeliver.ts";
import type { SubscriptionDriver } from "../delivery/driver.ts";
import type { SubscriptionManager } from "../delivery/manager.ts";
import type { Plan } from "../delivery/plan.ts";
import type { ActRows } from "../state/shared_act.ts";
import type { State, StateChange } from "../state/state.ts";
import { keyOf, readEntries, removal } from "./entries.ts";
import type * as SharedMoveModule from "./shared_move.ts";
import { deadLetterName } from "../state/dead_letter_name.ts";

/** Entries looked up at once; other work runs in between. */
const CHUNK = 500;

const sharedMove = () =>
  registeredModule<typeof SharedMoveModule>("core/dead_letter/shared_move.ts");

/** What both acts on dead letters need. */
export interface MoveContext {
  state: State;
  subscriptions: SubscriptionManager;
  /** Only entries that were added by then. */
  upTo?: number | undefined;
  /** What is committed together with the act on these. */
  also?: ((done: readonly Redelivery[]) => StateChange[]) | undefined;
  /** Where several nodes share the state: what the act does first, and rejects with. */
  first?: ((rows: ActRows) => Promise<void>) | undefined;
}

/** What moves dead letters. */
interface MoveOptions extends MoveContext {
  to: string | undefined;
  passCopies?: boolean;
}

/**
 * Moves entries, in their order, to `to` or to the subscriptions that failed. Entries that have
 * disappeared meanwhile are skipped; returns the others. `passCopies`: those of which an edited copy
 * is on its way are, too, where it could have been made meanwhile.
 */
export async function moveDeadLetters(
  entries: readonly Redelivery[],
  { passCopies = false, ...context }: MoveOptions,
): Promise<readonly Redelivery[]> {
  const { state, subscriptions, to } = context;
  for (const name of new Set(entries.map(({ subscription }) => to ?? subscription))) {
    subscriptions.require(name);
  }
  const { transact } = state;
  if (!transact) return await moveHere(entries, context);
  const targetOf = ({ subscription }: Redelivery) => subscriptions.require(to ?? subscription);
  const isHere = (entry: Redelivery) => !targetOf(entry).ledger.lasts;
  // Those of subscriptions that live in this process alone; the others, with what goes with all.
  const here = await moveHere(entries.filter(isHere), { ...context, also: undefined });
  const there = await sharedMove().moveShared(entries.filter((entry) => !isHere(entry)), {
    ...context,
    transact,
    targetOf,
    passCopies,
    also: (done) => context.also?.([...here, ...done]) ?? [],
  });
  return [...here, ...there];
}

async function moveHere(
  entries: readonly Redelivery[],
  { to, ...context }: MoveOptions,
): Promise<readonly Redelivery[]> {
  const { state, subscriptions, also } = context;
  const targets = new Set(entries.map(({ subscription }) => to ?? subscription));
  const names = [...targets, ...entries.map(({ subscription }) => subscription)];
  return await holdingAll(names, subscriptions, async () => {
    const there = await stillThere(entries, context);
    const moves = [...Map.groupBy(there, ({ subscription }) => to ?? subscription)]
      .map(([name, own]) => {
        const driver = subscriptions.require(name);
        driver.look();
        return { driver, plan: planRedeliveryFromState(driver.queue, own, driver.now()) };
      });
    await commitTogether(moves, state, also?.(there));
    return there;
  });
}

/** Removes entries for good. Those that have disappeared meanwhile are skipped; returns the others. */
export async function removeDeadLetters(
  entries: readonly Redelivery[],
  context: MoveContext,
): Promise<readonly Redelivery[]> {
  const { state, subscriptions, also } = context;
  const { transact } = state;
  if (transact) return await sharedMove().removeShared(entries, { ...context, transact });
  const names = entries.map(({ subscription }) => subscription);
  return await holdingAll(names, subscriptions, async () => {
    const there = await stillThere(entries, context);
    await state.commit([...there.map(removal), ...also?.(there) ?? []]);
    return there;
  });
}

/**
 * Runs `action` while nothing else takes dead letters from these subscriptions, or commits anything
 * of them: what it finds is still there when it commits. Those that are gone are left out.
 */
export function holdingAll<T>(
  names: Iterable<string>,
  subscriptions: Pick<SubscriptionManager, "has" | "require">,
  action: () => Promise<T>,
): Promise<T> {
  // Always in the same order, so that two with the same subscriptions cannot deadlock.
  const there = [...new Set(names)].filter((name) => subscriptions.has(name)).sort();
  return holding(there.map((name) => subscriptions.require(name)), action);
}

/** What one subscription gets. */
export interface Move {
  driver: SubscriptionDriver;
  plan: Plan;
}

/**
 * Commits all of them, with other changes, in one transaction. Whoever calls it holds their
 * subscriptions.
 */
export async function commitTogether(
  moves: readonly Move[],
  state: State,
  also: readonly StateChange[] = [],
): Promise<void> {
  const lasting = moves.filter(({ driver }) => driver.ledger.lasts);
  const others = moves.filter(({ driver }) => !driver.ledger.lasts);
  try {
    await state.commit([...lasting.flatMap(({ plan }) => plan.changes), ...also]);
  } catch (error) {
    undo(moves);
    throw error;
  }
  for (const { plan } of lasting) plan.apply();
  // Each of these is kept by itself: what is stored by then is delivered, whatever becomes of it.
  while (others.length > 0) {
    const { driver, plan } = others[0]!;
    try {
      await driver.ledger.commit(plan.changes, []);
    } catch (error) {
      undo(others);
      throw error;
    }
    plan.apply();
    others.shift();
  }
}

function undo(moves: readonly Move[]): void {
  for (const { driver, plan } of moves) {
    plan.rollback();
    // Read again the events that the plan had dropped.
    driver.reread();
  }
}

function holding<T>(
  drivers: readonly SubscriptionDriver[],
  action: () => Promise<T>,
): Promise<T> {
  const [first, ...rest] = drivers;
  return first ? first.hold(() => holding(rest, action)) : action();
}

/** The entries that nobody has removed since they were found. */
async function stillThere(
  entries: readonly Redelivery[],
  { state, upTo }: MoveContext,
): Promise<Redelivery[]> {
  const there: Redelivery[] = [];
  for (let at = 0; at < entries.length; at += CHUNK) {
    if (at > 0) await new Promise((resolve) => setTimeout(resolve, 0));
    const chunk = entries.slice(at, at + CHUNK);
    if (await areThere(chunk, { state, upTo })) {
      there.push(...chunk);
      continue;
    }
    const found = new Set((await readEntries(state, chunk, { upTo })).map(keyOf));
    there.push(...chunk.filter((entry) => found.has(keyOf(entry))));
  }
  return there;
}

/** Counts instead of reading, since nearly always all of them exist. */
async function areThere(
  entries: readonly Redelivery[],
  { state, upTo }: Pick<MoveContext, "state" | "upTo">,
): Promise<boolean> {
  let count = 0;
  for (const [topic, own] of Map.groupBy(entries, (entry) => entry.topic)) {
    count += await state.countDeadLetters({ topic, ids: own.map(deadLetterName), upTo });
  }
  return count === entries.length;
}
