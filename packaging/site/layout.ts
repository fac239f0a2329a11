/** What is the same on every page: its head, the menu, the search. */
import { escapeHtml, relativePath } from "./html.ts";

/** A link in the menu. */
export interface MenuLink {
  title: string;
  path: string;
}

/** A part of the menu. */
export interface MenuGroup {
  title: string;
  links: readonly MenuLink[];
}

/** A page as it is put together. */
export interface LayoutOptions {
  path: string;
  title: string;
  /** What is in `<main>`. */
  html: string;
  /** The headings that are listed at the top of the page. */
  contents: readonly { anchor: string; title: string }[];
  menu: readonly MenuGroup[];
  version: string;
}

/** Only files of the site, and no code or style within a page. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
  "base-uri 'none'; form-action 'none'";

/** The whole page. Ids of its own have a colon, which no heading's has. */
export function layout({ path, title, html, contents, menu, version }: LayoutOptions): string {
  const to = (target: string) => relativePath(path, target);
  const name = title === "env-event-stream" ? title : `${title} - env-event-stream`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escapeHtml(name)}</title>
<link rel="icon" href="${to("assets/icon.svg")}">
<link rel="stylesheet" href="${to("assets/style.css")}">
<script src="${to("assets/search.js")}" defer></script>
</head>
<body>
<a class="skip" href="#page:main">Skip to the text</a>
<header>
<a class="home" href="${to("index.html")}">env-event-stream</a> <span class="version">${
    escapeHtml(version)
  }</span>
<a class="to-menu" href="#page:menu">Menu</a>
<search hidden data-root="${to("index.html").replace(/index\.html$/, "")}">
<label for="page:search">Search</label>
<input id="page:search" type="search" autocomplete="off" spellcheck="false" aria-controls="page:results">
<div id="page:results" class="results" aria-live="polite"></div>
</search>
</header>
<main id="page:main">
${contentsHtml(contents)}${html}</main>
<nav id="page:menu" aria-label="Pages">
${menu.map((group) => groupHtml(group, path)).join("")}</nav>
</body>
</html>
`;
}

/** Worth a list if there is something to choose from. */
function contentsHtml(contents: LayoutOptions["contents"]): string {
  if (contents.length < 3) return "";
  const items = contents.map(({ anchor, title }) =>
    `<li><a href="#${anchor}">${escapeHtml(title)}</a></li>\n`
  );
  return `<details class="contents">\n<summary>On this page</summary>\n<ul>\n${
    items.join("")
  }</ul>\n</details>\n`;
}

function groupHtml({ title, links }: MenuGroup, path: string): string {
  const items = links.map((link) => {
    const here = link.path === path ? ' aria-current="page"' : "";
    return `<li><a href="${relativePath(path, link.path)}"${here}>${
      escapeHtml(link.title)
    }</a></li>\n`;
  });
  return `<h2>${escapeHtml(title)}</h2>\n<ul>\n${items.join("")}</ul>\n`;
}
