/** Which Markdown files of the checkout are pages of the site, and where they are in the menu. */
import { project } from "../project.ts";

/** A Markdown file. */
export interface SourcePage {
  /** Its path in the checkout. */
  source: string;
  /** Its path in the site. */
  path: string;
  markdown: string;
}

/** A part of the menu: what stands in it, by paths in the checkout. */
interface MenuPart {
  title: string;
  sources: readonly string[];
}

/** The menu. Pages of `docs` that are not named stand at the end of "Reference". */
export const MENU: readonly MenuPart[] = [
  {
    title: "Start",
    sources: [
      "README.md",
      "docs/installing.md",
      "docs/cookbook.md",
      "docs/shell.md",
      "docs/compared.md",
    ],
  },
  {
    title: "Operate",
    sources: [
      "docs/operating.md",
      "docs/scaling.md",
      "docs/monitoring.md",
      "docs/alerts.md",
      "docs/browser.md",
      "docs/security.md",
      "docs/performance.md",
    ],
  },
  {
    title: "Reference",
    sources: ["docs/cli/README.md", "docs/configuration.md", "docs/errors.md", "docs/contract.md"],
  },
  {
    title: "Library",
    sources: [
      "docs/library.md",
      "docs/sourcing.md",
      "docs/stores.md",
      "examples/orders/README.md",
    ],
  },
  {
    title: "Project",
    sources: [
      "ARCHITECTURE.md",
      "CHANGELOG.md",
      "CONTRIBUTING.md",
      "docs/testing.md",
      "SECURITY.md",
    ],
  },
];

/** Pages that others link to, and that are in no menu. */
const OTHERS: readonly string[] = ["tests/bench/results.md"];

/** Where the decisions are. */
const DECISIONS = "docs/adr";

/** All pages: those of the menu first, then commands and decisions. */
export async function sourcePages(): Promise<SourcePage[]> {
  const named = MENU.flatMap(({ sources }) => sources);
  const found = [
    ...await markdownIn("docs"),
    ...await markdownIn("docs/cli"),
    ...await markdownIn(DECISIONS),
    ...OTHERS,
  ];
  const sources = [...named, ...found.filter((source) => !named.includes(source))];
  const pages = await Promise.all(
    sources.map(async (source) => ({
      source,
      path: sitePath(source),
      markdown: await Deno.readTextFile(`${project}/${source}`),
    })),
  );
  return [...pages, decisionList(pages)];
}

/** `docs/cli/README.md` is `cli/index.html`. */
function sitePath(source: string): string {
  // There is a docs/security.md.
  if (source === "SECURITY.md") return "security-policy.html";
  return source.replace(/^docs\//, "").replace(/(^|\/)README\.md$/, "$1index.md")
    .replace(/\.md$/, ".html").toLowerCase();
}

async function markdownIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isFile } of Deno.readDir(`${project}/${folder}`)) {
    if (isFile && name.endsWith(".md")) found.push(`${folder}/${name}`);
  }
  return found.sort();
}

/** The page of the folder, which other pages link to. */
function decisionList(pages: readonly SourcePage[]): SourcePage {
  const lines = pages.filter(({ source }) => source.startsWith(`${DECISIONS}/`)).map(
    ({ source, markdown }) => {
      const title = /^# (\d+\. .+)$/m.exec(markdown)![1]!;
      return `- [${title.replace(".", "\\.")}](${source.slice(DECISIONS.length + 1)})`;
    },
  );
  const lead = "Choices that somebody will question, with their context and consequences.";
  return {
    source: DECISIONS,
    path: "adr/index.html",
    markdown: `# Design decisions\n\n${lead}\n\n${lines.join("\n")}\n`,
  };
}
