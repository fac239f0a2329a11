/** Markdown as HTML, with anchors as GitHub has them and links that lead to pages of the site. */
import { Anchors, escapeHtml } from "./html.ts";
import { Marked, type Token, type Tokens } from "./marked.ts";

/** A part of a page, for the search index. */
export interface PageSection {
  /** The anchor of its heading; empty for the beginning of the page. */
  anchor: string;
  title: string;
  level: number;
  /** Plain text, with code. */
  text: string;
}

/** A page that was rendered. */
export interface RenderedPage {
  title: string;
  html: string;
  sections: PageSection[];
}

/** How to render. */
export interface MarkdownOptions {
  /** Where a link of the text leads in the site. Throws for one that leads nowhere. */
  resolve(target: string): string;
  /** What anchors were given on the same page before. */
  anchors?: Anchors;
}

/** Renders a page, which begins with its title. */
export function renderMarkdown(markdown: string, options: MarkdownOptions): RenderedPage {
  const sections: PageSection[] = [];
  const anchors = options.anchors ?? new Anchors();
  const marked = new Marked({ gfm: true });
  marked.use({
    // `TYPE@VERSION.json` is no address: what is a link is written as one.
    tokenizer: { url: () => undefined },
    renderer: {
      heading({ tokens, depth, text }) {
        const title = plainText(tokens);
        const anchor = anchors.next(title);
        sections.push({ anchor: depth === 1 ? "" : anchor, title, level: depth, text: "" });
        const html = this.parser.parseInline(tokens);
        if (depth === 1) return `<h1 id="${anchor}">${html}</h1>\n`;
        const label = escapeHtml(`Link to ${text.replaceAll("`", "")}`);
        return `<h${depth} id="${anchor}">${html} <a class="anchor" href="#${anchor}" ` +
          `aria-label="${label}">#</a></h${depth}>\n`;
      },
      link({ href, tokens }) {
        const target = escapeHtml(options.resolve(href));
        const rel = /^https?:/.test(href) ? ' rel="noreferrer"' : "";
        return `<a href="${target}"${rel}>${this.parser.parseInline(tokens)}</a>`;
      },
      image({ href, text }) {
        return `<img src="${escapeHtml(options.resolve(href))}" alt="${escapeHtml(text)}">`;
      },
      code({ text }) {
        // Wide lines scroll, so the keyboard has to reach them.
        return `<pre tabindex="0"><code>${escapeHtml(text)}\n</code></pre>\n`;
      },
      table(token) {
        return `<div class="wide" tabindex="0">\n${tableHtml(token, this.parser)}</div>\n`;
      },
      html({ text }) {
        if (/^\s*<!--[^]*-->\s*$/.test(text)) return "";
        // A picture with a variant for dark screens is all the HTML that pages need.
        if (!/^<picture>[^]*<\/picture>\s*$/.test(text)) throw new Error(`not Markdown: ${text}`);
        return text.replace(
          /\b(src|srcset)="([^"]*)"/g,
          (_, name: string, target: string) => `${name}="${escapeHtml(options.resolve(target))}"`,
        );
      },
    },
  });
  const tokens = marked.lexer(markdown);
  const html = marked.parser(tokens);
  fillTexts(tokens, sections);
  return { title: sections[0]?.title ?? "", html, sections };
}

interface InlineParser {
  parseInline(tokens: Token[]): string;
}

/** Each cell names its column: narrow screens show a row as a list. */
function tableHtml({ header, rows }: Tokens.Table, parser: InlineParser): string {
  const line = (cells: string[]) => `<tr>${cells.join("")}</tr>\n`;
  const html = ({ tokens }: Tokens.TableCell) => parser.parseInline(tokens);
  const head = line(header.map((cell) => `<th>${html(cell)}</th>`));
  const labels = header.map(({ tokens }) => escapeHtml(plainText(tokens)));
  const body = rows.map((row) =>
    line(row.map((cell, at) => `<td data-label="${labels[at]}">${html(cell)}</td>`))
  );
  return `<table>\n<thead>\n${head}</thead>\n<tbody>\n${body.join("")}</tbody>\n</table>\n`;
}

/** Gives each section the text that stands between its heading and the next one. */
function fillTexts(tokens: readonly Token[], sections: PageSection[]): void {
  let at = -1;
  for (const token of tokens) {
    if (token.type === "heading") at++;
    else if (at >= 0 && token.type !== "html") {
      sections[at]!.text = `${sections[at]!.text} ${plainText([token])}`.replace(/\s+/g, " ")
        .trim();
    }
  }
}

/** The text of tokens without marks. */
function plainText(tokens: readonly Token[]): string {
  return tokens.map((token): string => {
    switch (token.type) {
      case "table": {
        const { header, rows } = token as Tokens.Table;
        return [header, ...rows].flat().map((cell) => plainText(cell.tokens)).join(" ");
      }
      case "list":
        return (token as Tokens.List).items.map((item) => plainText(item.tokens)).join(" ") + " ";
      case "image":
      case "html":
      case "space":
        return "";
      case "br":
        return " ";
      case "codespan":
      case "code":
        return token.text;
    }
    const inner = (token as Tokens.Generic).tokens;
    // Blocks are words of their own, and marks within a line are not.
    if (inner !== undefined) return plainText(inner) + (token.type === "paragraph" ? " " : "");
    return "text" in token ? token.text : "";
  }).join("");
}
