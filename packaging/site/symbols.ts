/** A page for each symbol of the library, and one that lists them; from their docstrings. */
import {
  type DocComment,
  type DocDeclaration,
  type DocDefinition,
  type DocMember,
  type DocModule,
  type DocSymbol,
  documentedModules,
} from "./doc_json.ts";
import { Anchors, escapeHtml, relativePath } from "./html.ts";
import { type PageSection, type RenderedPage, renderMarkdown } from "./markdown.ts";
import { TypeHtml } from "./type_html.ts";

/** A rendered page, and where it goes. */
export interface SymbolPage extends RenderedPage {
  path: string;
}

/** The modules, by file, with the name that programs import. */
const MODULES = {
  "mod.ts": { specifier: "@env/env-event-stream", folder: "api" },
  "testing.ts": { specifier: "@env/env-event-stream/testing", folder: "api/testing" },
} as const;

/** What kinds are called, in the order of the list. */
const KINDS: Record<string, string> = {
  function: "Functions",
  class: "Classes",
  variable: "Constants",
  interface: "Interfaces",
  typeAlias: "Types",
};

/** Where the list of all symbols is. */
export const SYMBOL_LIST = "api/index.html";

/** All pages; the list comes first. */
export async function symbolPages(): Promise<SymbolPage[]> {
  const modules = await documentedModules(...Object.keys(MODULES));
  const pathOf = new Map<string, string>();
  for (const [file, { folder }] of Object.entries(MODULES)) {
    for (const { name } of modules.get(file)!.symbols) {
      if (!pathOf.has(name)) pathOf.set(name, `${folder}/${name}.html`);
    }
  }
  const pages = Object.entries(MODULES).flatMap(([file, { specifier, folder }]) =>
    modules.get(file)!.symbols.map((symbol) =>
      new SymbolRenderer(`${folder}/${symbol.name}.html`, pathOf).page(symbol, specifier)
    )
  );
  return [listPage(modules, pathOf), ...pages];
}

function listPage(
  modules: ReadonlyMap<string, DocModule>,
  pathOf: ReadonlyMap<string, string>,
): SymbolPage {
  const renderer = new SymbolRenderer(SYMBOL_LIST, pathOf);
  const html = ["<h1>Library reference</h1>\n"];
  const sections: PageSection[] = [{
    anchor: "",
    title: "Library reference",
    level: 1,
    text: "Every symbol that programs can import",
  }];
  for (const [file, { specifier, folder }] of Object.entries(MODULES)) {
    const { module_doc, symbols } = modules.get(file)!;
    const anchor = folder.replace("/", "-");
    sections.push({ anchor, title: specifier, level: 2, text: "" });
    html.push(`<h2 id="${anchor}"><code>${specifier}</code></h2>\n`, renderer.comment(module_doc));
    for (const [kind, title] of Object.entries(KINDS)) {
      const those = symbols.filter(({ declarations }) => declarations[0]!.kind === kind);
      if (those.length === 0) continue;
      const rows = those.map(({ name, declarations }) =>
        `<li>${renderer.name(name)}: ${renderer.summary(declarations[0]!.jsDoc)}</li>\n`
      );
      html.push(`<h3>${title}</h3>\n<ul>\n${rows.join("")}</ul>\n`);
    }
  }
  return { path: SYMBOL_LIST, title: "Library reference", html: html.join(""), sections };
}

/** Renders one page. */
class SymbolRenderer {
  readonly #path: string;
  readonly #pathOf: ReadonlyMap<string, string>;
  readonly #types: TypeHtml;
  readonly #anchors = new Anchors();
  readonly #sections: PageSection[] = [];

  constructor(path: string, pathOf: ReadonlyMap<string, string>) {
    this.#path = path;
    this.#pathOf = pathOf;
    this.#types = new TypeHtml((name) => this.name(name));
  }

  /** A link to the symbol's page, if it has one. */
  name(name: string): string {
    const path = this.#pathOf.get(name);
    if (path === undefined || path === this.#path) return escapeHtml(name);
    return `<a href="${relativePath(this.#path, path)}">${escapeHtml(name)}</a>`;
  }

  page({ name, declarations }: DocSymbol, specifier: string): SymbolPage {
    const [first] = declarations as [DocDeclaration];
    this.#sections.push({
      anchor: "",
      title: name,
      level: 1,
      text: this.#plain(first.jsDoc),
    });
    const parts = declarations.flatMap((declaration) => this.#declaration(name, declaration));
    const from = `<p>From <a href="${relativePath(this.#path, SYMBOL_LIST)}"><code>${specifier}` +
      "</code></a>.</p>\n";
    return {
      path: this.#path,
      title: name,
      html: `<h1><code>${escapeHtml(name)}</code></h1>\n${from}${parts.join("")}`,
      sections: this.#sections,
    };
  }

  /** A docstring with its examples. */
  comment(comment: DocComment | undefined): string {
    const examples = (comment?.tags ?? []).filter(({ kind }) => kind === "example")
      .map(({ doc = "" }) => doc.trim()).map((doc) =>
        doc.startsWith("```") ? doc : `\`\`\`ts\n${doc}\n\`\`\``
      );
    return this.#markdown([comment?.doc ?? "", ...examples].join("\n\n"));
  }

  /** The first sentence of a docstring. */
  summary(comment: DocComment | undefined): string {
    const [first = ""] = (comment?.doc ?? "").split("\n\n");
    const sentence = /^.*?[.:](?=\s|$)/s.exec(first)?.[0] ?? first;
    const html = this.#markdown(sentence).trim();
    return html.replace(/^<p>|<\/p>$/g, "").replace(/:$/, ".");
  }

  #markdown(text: string): string {
    return renderMarkdown(this.#linked(text), {
      anchors: this.#anchors,
      resolve: (target) => {
        if (/^https?:/.test(target)) return target;
        const path = this.#pathOf.get(target);
        if (path === undefined) throw new Error(`${this.#path} links to ${target}`);
        return relativePath(this.#path, path);
      },
    }).html;
  }

  /** `{@link Broker.publish}` as a link of Markdown, or as code if it has no page. */
  #linked(text: string): string {
    return text.replace(/\{@link(?:code)?\s+([^}\s|]+)[^}]*\}/g, (_, target: string) => {
      const symbol = target.replace(/[.#].*/, "");
      return this.#pathOf.has(symbol) ? `[\`${target}\`](${symbol})` : `\`${target}\``;
    });
  }

  #plain(comment: DocComment | undefined): string {
    const text = (comment?.doc ?? "").replace(/```[^]*?```/g, " ");
    return text.replace(/\{@link\s+([^}]+)\}/g, "$1").replace(/[`*]/g, "").replace(/\s+/g, " ")
      .trim();
  }

  #declaration(name: string, { kind, jsDoc, def }: DocDeclaration): string[] {
    const head = `<pre class="signature"><code>${this.#head(name, { kind, def })}\n</code></pre>\n`;
    const { constructors = [], properties = [], methods = [] } = def;
    return [
      head,
      this.comment(jsDoc),
      this.#members("Constructor", constructors),
      this.#members("Properties", [...properties, ...methods.filter(isAccessor)]),
      this.#members("Methods", methods.filter((one) => !isAccessor(one))),
    ];
  }

  #head(name: string, { kind, def }: { kind: string; def: DocDefinition }): string {
    const types = this.#types;
    const typed = escapeHtml(name) +
      (kind === "function" ? "" : types.typeParameters(def.typeParams));
    switch (kind) {
      case "function":
        return `${def.isAsync ? "async " : ""}function ${typed}` +
          `${types.parameters({ ...def, params: def.params! })}: ${types.type(def.returnType)}`;
      case "variable":
        return `${def.kind} ${typed}: ${types.type(def.tsType)}`;
      case "typeAlias":
        return `type ${typed} = ${types.type(def.tsType)}`;
      case "interface": {
        const indexes = types.indexes(def.indexSignatures).map((line) => `\n  ${line};`).join("");
        return `interface ${typed}${this.#above("extends", def.extends)}` +
          (indexes === "" ? "" : ` {${indexes}\n}`);
      }
      case "class": {
        const above = def.extends === undefined
          ? ""
          : ` extends ${this.name(def.extends as string)}${
            def.superTypeParams === undefined || def.superTypeParams.length === 0
              ? ""
              : `&lt;${def.superTypeParams.map((one) => types.type(one)).join(", ")}&gt;`
          }`;
        return `${def.isAbstract ? "abstract " : ""}class ${typed}${above}` +
          this.#above("implements", def.implements);
      }
    }
    throw new Error(`${name} is of an unknown kind: ${kind}`);
  }

  #above(word: string, types: DocDefinition["extends"]): string {
    if (types === undefined || typeof types === "string" || types.length === 0) return "";
    return ` ${word} ${types.map((one) => this.#types.type(one)).join(", ")}`;
  }

  #members(title: string, members: readonly DocMember[]): string {
    const shown = members.filter(({ jsDoc, accessibility }) =>
      accessibility !== "private" && !jsDoc?.tags?.some(({ kind }) => kind === "internal")
    );
    if (shown.length === 0) return "";
    return `<h2 id="${this.#anchors.next(title)}">${title}</h2>\n` +
      shown.map((one) => this.#member(one)).join("");
  }

  #member(member: DocMember): string {
    const anchor = this.#anchors.next(member.name);
    this.#sections.push({
      anchor,
      title: member.name,
      level: 3,
      text: this.#plain(member.jsDoc),
    });
    return `<h3 id="${anchor}"><code>${escapeHtml(member.name)}</code></h3>\n` +
      `<pre class="signature"><code>${this.#types.member(member)}\n</code></pre>\n` +
      this.comment(member.jsDoc);
  }
}

function isAccessor({ kind }: DocMember): boolean {
  return kind === "getter" || kind === "setter";
}
