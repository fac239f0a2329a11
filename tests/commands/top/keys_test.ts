/** What the keys of `evs top` do, and that nothing is done without a yes. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { typedCommand } from "../../../commands/top/actions.ts";
import { press } from "../../../commands/top/keys.ts";
import { screen } from "../../../commands/top/screen.ts";
import {
  initialState,
  received,
  shownSubscriptions,
  type TopReading,
  type TopState,
} from "../../../commands/top/state.ts";
import { anyReading, anyTopState } from "../../helpers/any_top_state.ts";

const KEYS = [
  ..."qQ?h sS/prteEjkgGyn+-x",
  "Up",
  "Down",
  "PageUp",
  "PageDown",
  "Home",
  "End",
  "Enter",
  "Escape",
  "Tab",
  "Backspace",
  "Ctrl-U",
  "Ctrl-W",
  "Ctrl-L",
  "Paste p\ny",
  "👍",
];
const anyKey = fc.constantFrom(...KEYS);

function settled(name: string, pending: number) {
  return {
    name,
    topic: "orders",
    paused: name === "mailer",
    pending,
    leased: 0,
    scheduled: 0,
    dead: 0,
    settled: { acknowledged: 0, failed: 0, dead: 0 },
  };
}

function stateWith(reading: TopReading): TopState {
  const size = { columns: 80, rows: 24 };
  const flags = { size, everyMs: 2000, place: ["--socket", "/run/a b"], sort: "lag" as const };
  return received(initialState({ ...flags, filter: "" }), reading);
}

/** Three subscriptions, and two causes of dead letters. */
function sample(): TopState {
  const [reading] = fc.sample(anyReading, { numRuns: 1, seed: 1 });
  const group = (id: string, reason: string, count: number) => ({
    id,
    reason,
    count,
    firstAt: 0,
    lastAt: 0,
    subscriptions: ["billing"],
    example: { id: "o-1", topic: "orders", seq: 1, subscription: "billing", reason },
  });
  const lease = { topic: "orders", seq: 7, id: "x", type: "t", attempt: 1, delivery: 1 };
  return stateWith({
    ...reading!,
    overview: {
      ...reading!.overview,
      subscriptions: [
        settled("mailer", 5),
        { ...settled("billing", 9), oldestLease: { ...lease, unanswered: 0, since: 0 } },
        settled("reports", 1),
      ],
    },
    groups: [
      group("0ggcxb", "no * card", 3),
      group("1a2b3c", "*", 1),
    ] as unknown as TopReading["groups"],
  });
}

/** The state after keys, and the last effect. */
function typed(state: TopState, ...keys: string[]) {
  let effect;
  for (const key of keys) ({ state, effect } = press(state, key));
  return { state, effect };
}

Deno.test("press never breaks the screen, and acts only on y after a question", () => {
  fc.assert(fc.property(anyTopState, fc.array(anyKey, { maxLength: 12 }), (start, keys) => {
    let state = start;
    for (const key of keys) {
      const before = state.overlay;
      const { state: after, effect } = press(state, key);
      if (effect?.kind === "act") {
        assert.equal(before?.kind, "confirm");
        assert.match(key, /^y$/i);
      }
      state = after;
      const rows = screen(state);
      assert.equal(rows.length, state.size.rows);
    }
  }));
});

Deno.test("p asks with the command line that pauses the chosen subscription, and y does it", () => {
  const { state } = typed(sample(), "Down", "p");
  assert.deepEqual(state.overlay, { kind: "confirm", action: { kind: "pause", name: "mailer" } });
  const text = screen(state).map((row) => row.map((cell) => cell.text).join("")).join("\n");
  assert.ok(text.includes("evs subscription pause mailer --socket '/run/a b'"), text);
  const { state: after, effect } = typed(state, "y");
  assert.deepEqual(effect, { kind: "act", action: { kind: "pause", name: "mailer" } });
  assert.equal(after.overlay, undefined);
});

Deno.test("a question is closed by n, q and Escape, and by nothing else", () => {
  const { state } = typed(sample(), "p");
  for (const key of ["n", "q", "Escape"]) {
    assert.deepEqual(press(state, key), { state: { ...state, overlay: undefined } });
  }
  for (const key of ["Enter", " ", "p", "Up"]) assert.deepEqual(press(state, key), { state });
});

Deno.test("r resumes only what is paused", () => {
  assert.match(typed(sample(), "r").state.notice!.text, /billing is not paused/);
  const { effect } = typed(sample(), "Down", "r", "y");
  assert.deepEqual(effect, { kind: "act", action: { kind: "resume", name: "mailer" } });
});

Deno.test("t retries the chosen cause, and refuses one that would mean all", () => {
  assert.match(typed(sample(), "t").state.notice!.text, /Tab chooses/);
  const { effect } = typed(sample(), "Tab", "t", "y");
  const action = { kind: "retry", group: "0ggcxb", count: 3 } as const;
  assert.deepEqual(effect, { kind: "act", action });
  assert.equal(typedCommand(action, []), "evs dlq retry --group 0ggcxb");
  assert.match(typed(sample(), "Tab", "Down", "t").state.notice!.text, /no cause in common/);
});

Deno.test("Tab says that causes are left where none of them is open", () => {
  const state = sample();
  const { overview } = state.reading!;
  const without = (deadLetters: number) =>
    stateWith({
      ...state.reading!,
      groups: [],
      overview: { ...overview, status: { ...overview.status, deadLetters } },
    });
  assert.match(typed(without(0), "Tab").state.notice!.text, /^there are no dead letters$/);
  assert.match(typed(without(3), "Tab").state.notice!.text, /evs dlq groups --state all$/);
});

Deno.test("e shows the event in flight, or an example of the cause", () => {
  const event = { kind: "event", topic: "orders", seq: 7 } as const;
  assert.deepEqual(typed(sample(), "e", "y").effect, { kind: "act", action: event });
  assert.equal(typedCommand(event, []), "evs get orders 7");
  const dead = { kind: "dead-letter", name: "billing:o-1", topic: "orders" } as const;
  assert.deepEqual(typed(sample(), "Tab", "Enter", "y").effect, { kind: "act", action: dead });
  assert.equal(typedCommand(dead, []), "evs dlq show billing:o-1 --topic orders");
  assert.match(typed(sample(), "G", "e").state.notice!.text, /nothing in flight/);
});

Deno.test("what is chosen stays chosen when the order changes or others come", () => {
  const { state } = typed(sample(), "Down");
  const names = (of: TopState) => shownSubscriptions(of).map(({ name }) => name);
  assert.deepEqual(names(state), ["billing", "mailer", "reports"]);
  assert.deepEqual(state.chosen.subscriptions, { index: 1, name: "mailer" });
  const { overview } = state.reading!;
  const more = [settled("another", 100), ...overview.subscriptions];
  const next = received(state, {
    ...state.reading!,
    overview: { ...overview, subscriptions: more },
  });
  assert.deepEqual(next.chosen.subscriptions, { index: 2, name: "mailer" });
  const gone = { ...overview, subscriptions: [settled("another", 100), settled("reports", 1)] };
  const last = received(next, { ...next.reading!, overview: gone });
  assert.deepEqual(last.chosen.subscriptions, { index: 1, name: "reports" });
});

Deno.test("/ filters while it is typed, and Escape takes the filter away", () => {
  const { state, effect } = typed(sample(), "/", "M", "a", "i");
  assert.equal(state.filter, "Mai");
  assert.deepEqual(effect, { kind: "read" });
  assert.deepEqual(shownSubscriptions(state).map(({ name }) => name), ["mailer"]);
  assert.equal(typed(state, "Enter", "q").effect?.kind, "quit");
  assert.equal(typed(state, "Escape").state.filter, "");
  assert.equal(typed(state, "Backspace", "Ctrl-U", "Paste bill\ny").state.filter, "bill");
});

Deno.test("s and S go through the orders, + and - through the intervals", () => {
  assert.equal(typed(sample(), "s").state.sort, "age");
  assert.equal(typed(sample(), "S").state.sort, "name");
  assert.equal(typed(sample(), "+").state.everyMs, 1000);
  assert.equal(typed(sample(), "-").state.everyMs, 5000);
  assert.equal(typed(sample(), ..."++++++").state.everyMs, 500);
});
