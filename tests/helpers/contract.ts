/** docs/contract.md as tests read it: a section for each promise. */

/** One promise. */
export interface ContractRow {
  /** The number at the start of the heading; absent for a promise without one. */
  number: string | undefined;
  title: string;
  promise: string;
  keptBy: string;
  shownBy: string;
}

const page = new URL("../../docs/contract.md", import.meta.url);

/** All promises on the page, in order. */
export async function contractRows(): Promise<ContractRow[]> {
  const sections = (await Deno.readTextFile(page)).split(/^### /m).slice(1);
  return sections.map((section) => {
    const [, number, title, body] = /^(?:(\d+)\. )?(.+)\n([^]*)$/.exec(section)!;
    const text = body!.split(/^## /m)[0]!;
    const [promise, rest = ""] = text.split("- **Kept by**:");
    const [keptBy, shownBy = ""] = rest.split("- **Shown by**:");
    return {
      number,
      title: title!,
      promise: onOneLine(promise!),
      keptBy: onOneLine(keptBy!),
      shownBy: onOneLine(shownBy),
    };
  });
}

/** The TypeScript files that a text names in backticks. */
export function namedFiles(text: string): string[] {
  return [...text.matchAll(/`([\w./]+\.ts)`/g)].map(([, path]) => path!);
}

/** Text that spans several lines of a page, as one line. */
export function onOneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
