/** The causes of dead letters. Pure. */
import type { DeadLetterGroup } from "../../core/protocol/dead_letter_groups.ts";
import { type Cell, type CellRow, cellsOf, fit, styled } from "../terminal/cells.ts";
import { shortAge, shortCount } from "./numbers.ts";
import type { TopState } from "./state.ts";

/** A header, and the page with the chosen one. */
export function groupRows(
  state: TopState,
  { width, height }: { width: number; height: number },
): CellRow[] {
  const { reading, focus, chosen } = state;
  if (reading === undefined || height < 1) return [];
  const { groups, overview } = reading;
  const page = Math.max(1, height - 1);
  const first = Math.floor(chosen.groups.index / page) * page;
  const names = Math.min(30, Math.max(10, Math.floor(width / 4)));
  const layout = (cells: { count: Cell[]; last: Cell[]; cause: Cell[]; who: Cell[] }) => [
    ...fit(cells.count, { width: 6, right: true }),
    ...cellsOf(" "),
    ...fit(cells.last, { width: 5, right: true }),
    ...cellsOf(" "),
    ...fit(cells.cause, { width: Math.max(0, width - names - 15) }),
    ...cellsOf("  "),
    ...fit(cells.who, { width: names }),
  ];
  const head = layout({
    count: cellsOf("DEAD", "bold"),
    last: cellsOf("LAST", "bold"),
    cause: cellsOf("CAUSE", "bold"),
    who: cellsOf("SUBSCRIPTIONS", "bold"),
  });
  const rows = groups.slice(first, first + page).map((group: DeadLetterGroup, i) => {
    const cells = layout({
      count: cellsOf(shortCount(group.count), "red"),
      last: cellsOf(shortAge(overview.at - group.lastAt)),
      cause: cellsOf(group.reason),
      who: cellsOf(group.subscriptions.join(", ")),
    });
    const isChosen = focus === "groups" && first + i === chosen.groups.index;
    return isChosen ? styled(fit(cells, { width }), "chosen") : cells;
  });
  return [head, ...rows];
}
