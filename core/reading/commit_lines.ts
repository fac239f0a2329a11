/**
 * What tails are sent of a commit. It is made once for all of them that get the same bytes: those
 * that select the same events and write them the same way.
 */
import { concat } from "../base/bytes.ts";
import { arrived, type MaybePromise, resultOf } from "../base/maybe_promise.ts";
import { type NewEvent, type StoredEvent, storedEvent } from "../event/event.ts";
import type { Commit } from "../store/journal.ts";
import type { JournalStore } from "../store/store.ts";
import { lineFilter } from "./line_filter.ts";
import { linesOf, PAGE, type Render, select, type Selection } from "./replay.ts";

/** What a tail is sent of a commit. */
export interface Form extends Selection {
  /** Absent: wire lines. One that several tails have depends on nothing but the events. */
  render?: Render;
}

/** Forms with the same name make the same bytes of a commit. */
export function nameOfForm({ types, filter, render }: Form): string {
  if (!types && !filter && !render) return "";
  return JSON.stringify([
    types ? [...new Set(types)].sort() : null,
    filter ? filter.expression ?? numberOf(filter) : null,
    render ? numberOf(render) : null,
  ]);
}

const numbers = new WeakMap<object, number>();
let next = 0;

/** A number of its own for a function. */
function numberOf(one: object): number {
  let number = numbers.get(one);
  if (number === undefined) numbers.set(one, number = next++);
  return number;
}

const made = new WeakMap<Commit, Map<string, MaybePromise<Uint8Array>>>();

/** The bytes of a commit in a form, of which `name` is the name; empty if it selects none of it. */
export function bytesOfCommit(
  commit: Commit,
  { store, form, name }: { store: JournalStore; form: Form; name: string },
): MaybePromise<Uint8Array> {
  let forms = made.get(commit);
  if (!forms) made.set(commit, forms = new Map());
  let bytes = forms.get(name);
  if (!bytes) forms.set(name, bytes = resultOf(make(commit, store, form)));
  return bytes;
}

function* make(
  commit: Commit,
  store: JournalStore,
  form: Form,
): Generator<Promise<void>, Uint8Array, undefined> {
  if (commit.events) return printSelected(commitEvents(commit, commit.events), form);
  const { topic, lastSeq: to } = commit;
  const { types, filter, render } = form;
  const keep = filter && lineFilter(filter);
  const pages: Uint8Array[] = [];
  for (let from = commit.firstSeq; from <= to;) {
    const query = { from, to, limit: PAGE, types };
    if (render) {
      const page = yield* arrived(store.readPage(topic, query));
      pages.push(printSelected(page.events, form));
      from = page.next;
    } else {
      const page = yield* arrived(store.readLines(topic, query));
      pages.push(keep ? keep(page.bytes) : page.bytes);
      from = page.next;
    }
  }
  return concat(pages);
}

/** The events that a form selects, as it writes them; empty if it selects none. */
export function printSelected(events: StoredEvent[], form: Form): Uint8Array {
  const { types, filter, render = linesOf } = form;
  const wanted = types ? events.filter((event) => types.includes(event.type)) : events;
  const selected = select(wanted, filter);
  return selected.length > 0 ? render(selected) : linesOf([]);
}

/** A commit's events, as a store would return them. */
export function commitEvents(commit: Commit, events: readonly NewEvent[]): StoredEvent[] {
  const { topic, ephemeral, firstSeq } = commit;
  // Events that are not stored have no seq.
  return events.map((event, i) => storedEvent(event, { topic, seq: ephemeral ? 0 : firstSeq + i }));
}
