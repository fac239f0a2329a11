/** A list of facts: names and values. */
/** @jsx h */
import { type ComponentChildren, h } from "../packages/preact.ts";

/** Those whose value is undefined or null are left out. */
export function Facts({ facts }: { facts: Record<string, ComponentChildren> }) {
  return (
    <dl class="facts">
      {Object.entries(facts).filter(([, value]) => value !== undefined && value !== null).map((
        [name, value],
      ) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
