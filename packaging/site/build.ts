/** Builds the site in memory: its pages, the search index, styles, and the files it links to. */
import { configuration, project } from "../project.ts";
import { textFile, type Tree } from "../tree.ts";
import { relativePath } from "./html.ts";
import { layout, type MenuGroup, type MenuLink } from "./layout.ts";
import { type PageSection, type RenderedPage, renderMarkdown } from "./markdown.ts";
import { MENU, type SourcePage, sourcePages } from "./sources.ts";
import { SYMBOL_LIST, symbolPages } from "./symbols.ts";

/** A page before it is put into the layout. */
interface SitePage extends RenderedPage {
  path: string;
}

/** The files of the site by their path. The same source gives the same bytes. */
export async function buildSite(): Promise<Tree> {
  const sources = await sourcePages();
  const linked = new Set<string>();
  const pages = sources.map((source) => renderSource(source, { sources, linked }));
  const symbols = await symbolPages();
  const all = [...pages, ...symbols];
  const { version } = await configuration();
  const groups = menuOf(sources, pages);
  const tree: Tree = new Map();
  for (const page of all) {
    const menu = [...groups, ...siblings(page.path, { pages, symbols })];
    const contents = page.sections.filter(({ level, anchor }) => level === 2 && anchor !== "");
    if (tree.has(page.path)) throw new Error(`there are two pages ${page.path}`);
    tree.set(page.path, textFile(layout({ ...page, contents, menu, version })));
  }
  for (const name of ["style.css", "search.js", "icon.svg"]) {
    const content = await Deno.readTextFile(`${project}/packaging/site/assets/${name}`);
    tree.set(`assets/${name}`, textFile(content));
  }
  tree.set("assets/index.js", textFile(searchIndex(all)));
  for (const path of [...linked].sort()) {
    tree.set(sitePathOfFile(path), { content: await Deno.readFile(`${project}/${path}`) });
  }
  return tree;
}

interface RenderContext {
  sources: readonly SourcePage[];
  /** Takes what pages link to that is no page. */
  linked: Set<string>;
}

function renderSource({ source, path, markdown }: SourcePage, context: RenderContext): SitePage {
  const base = source.endsWith(".md") ? source : `${source}/`;
  return {
    path,
    ...renderMarkdown(markdown, {
      resolve(target) {
        if (/^https?:/.test(target) || target.startsWith("#")) return target;
        const [file = "", anchor] = target.split("#");
        const named = new URL(file, `file:///${base}`).pathname.slice(1).replace(/\/$/, "");
        const page = context.sources.find((one) => one.source === named);
        if (page === undefined) context.linked.add(named);
        return relativePath(path, page?.path ?? sitePathOfFile(named)) +
          (anchor === undefined ? "" : `#${anchor}`);
      },
    }),
  };
}

/** Where a file goes that is no page: a picture, a schema. */
function sitePathOfFile(path: string): string {
  return path.replace(/^docs\//, "");
}

function menuOf(sources: readonly SourcePage[], pages: readonly SitePage[]): MenuGroup[] {
  const link = (source: string): MenuLink => {
    const at = sources.findIndex((one) => one.source === source);
    return { path: pages[at]!.path, title: pages[at]!.title };
  };
  const named = MENU.flatMap((part) => part.sources);
  const others = sources.map(({ source }) => source).filter((source) =>
    /^docs\/[^/]+\.md$/.test(source) && !named.includes(source)
  );
  return MENU.map(({ title, sources }) => ({
    title,
    links: [
      ...sources.map(link),
      ...title === "Reference" ? others.map(link) : [],
      ...title === "Library" ? [{ title: "Library reference", path: SYMBOL_LIST }] : [],
      ...title === "Project" ? [{ title: "Design decisions", path: "adr/index.html" }] : [],
    ],
  }));
}

/** In a folder of many pages, the menu ends with them. */
function siblings(
  path: string,
  { pages, symbols }: { pages: readonly SitePage[]; symbols: readonly SitePage[] },
): MenuGroup[] {
  const folders: [folder: string, title: string, pages: readonly SitePage[]][] = [
    ["cli/", "Commands", pages],
    ["adr/", "Decisions", pages],
    ["api/", "Symbols", symbols],
  ];
  return folders.filter(([folder]) => path.startsWith(folder)).map(([folder, title, pages]) => ({
    title,
    links: pages.filter((page) => page.path.startsWith(folder)),
  }));
}

/**
 * A script, because a page that was opened from a disk may not read other files. A line for each
 * section: its place, its title, its page's title, its text.
 */
function searchIndex(pages: readonly SitePage[]): string {
  const lines = pages.flatMap(({ path, title, sections }) =>
    sections.map((section) => JSON.stringify(entryOf(section, { path, title })))
  );
  return `globalThis.searchIndex = [\n${lines.join(",\n")}\n];\n`;
}

function entryOf(
  { anchor, title, text }: PageSection,
  page: { path: string; title: string },
): [url: string, title: string, page: string, text: string] {
  return [anchor === "" ? page.path : `${page.path}#${anchor}`, title, page.title, text];
}
