/** A short table; it scrolls sideways where there is no room. */
/** @jsx h */
import { type ComponentChildren, h } from "../packages/preact.ts";

/** The title of a column; `isNumber` columns are aligned at their right. */
export type TableHead = string | { title: string; isNumber?: boolean; isUnseen?: boolean };

/** `children` are its rows. */
export function PlainTable(
  { label, heads, children }: {
    label: string;
    heads: readonly TableHead[];
    children: ComponentChildren;
  },
) {
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={label}>
      <table>
        <thead>
          <tr>
            {heads.map((head) => {
              const { title, isNumber = false, isUnseen = false } = typeof head === "string"
                ? { title: head }
                : head;
              return (
                <th key={title} scope="col" class={isNumber ? "number" : ""}>
                  {isUnseen ? <span class="unseen">{title}</span> : title}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
