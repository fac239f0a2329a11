/**
 * Reasons of dead letters, as causes. What differs from event to event (ids, numbers, times, paths, quoted values) is folded
 * to `*`, so that a thousand reasons of one cause read the same; and a `*` in a filter stands for any text, so that what a
 * group is called is what finds its members.
 */

/** What folds, in this order: the longer shapes before the shorter ones that they hold. */
const FOLDS: readonly RegExp[] = [
  /"[^"]*"|(?<!\w)'[^']*'(?!\w)|`[^`]*`/g, // quoted values
  /\b[a-z][a-z0-9+.-]*:\/\/[^\s,;)\]}>]+/gi, // URLs
  /\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g, // mail addresses
  /\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?\b/g, // times
  /(?<![\w*])(?:~|\.{1,2}|[A-Za-z]:)?(?:[/\\][\w.@%+=-]+)+[/\\]?/g, // paths
  /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, // UUIDs
  /\b0x[0-9a-f]+\b/gi,
  /\b(?=[0-9a-z_-]*\d)(?=[0-9a-z_-]*[a-z])[0-9a-z_-]{8,}\b/gi, // ids: letters and digits, long
  /(?<!\bexit code \d*)\d+(?:[.,:]\d+)*/g, // numbers; an exit code is a cause, not a measure
];

/** The longest reason that is looked at, in characters. */
const LONGEST = 500;

/** A reason without what is peculiar to one event. */
export function foldReason(reason: string): string {
  let text = reason.slice(0, LONGEST);
  for (const fold of FOLDS) text = text.replace(fold, "*");
  return text.replace(/\*(?:\s*\*)+/g, "*").replace(/\s+/g, " ").trim();
}

/** Whether a reason holds this text, without regard to case; `*` stands for any text. */
export function reasonHolds(reason: string, part: string): boolean {
  const text = reason.toLowerCase().replace(/\s+/g, " ");
  let at = 0;
  for (const piece of part.toLowerCase().replace(/\s+/g, " ").split("*")) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return true;
}
