/**
 * The site of `deno task docs`: what is in it, that its links lead somewhere, that it asks no other
 * host for anything, that a keyboard reaches it, what its search finds, and that it is the same when
 * it is built again.
 */
import assert from "node:assert/strict";
import { verbs } from "../../commands/mod.ts";
import { buildSite } from "../../packaging/site/build.ts";
import { Anchors, relativePath } from "../../packaging/site/html.ts";
import { renderMarkdown } from "../../packaging/site/markdown.ts";
import { bytesOf, type Tree } from "../../packaging/tree.ts";
import { type HtmlElement, htmlElements } from "../helpers/html.ts";
import { project } from "../helpers/shell.ts";

let built: Promise<Map<string, string>> | undefined;
const site = () => built ??= texts();

async function texts(): Promise<Map<string, string>> {
  return await textsOf(await buildSite());
}

async function textsOf(tree: Tree): Promise<Map<string, string>> {
  const decoder = new TextDecoder();
  return new Map(
    await Promise.all(
      Array.from(
        tree,
        async ([path, file]) => [path, decoder.decode(await bytesOf(file))] as const,
      ),
    ),
  );
}

let parsed: Map<string, HtmlElement[]> | undefined;

/** Every page, read. */
async function pages(): Promise<Map<string, HtmlElement[]>> {
  return parsed ??= new Map(
    [...await site()].filter(([path]) => path.endsWith(".html"))
      .map(([path, html]) => {
        try {
          return [path, htmlElements(html)];
        } catch (error) {
          throw new Error(path, { cause: error });
        }
      }),
  );
}

const idsOf = (elements: readonly HtmlElement[]) =>
  elements.flatMap(({ attributes }) => attributes.get("id") ?? []);

Deno.test("the site has every page of docs, every command and every symbol", async () => {
  const all = await pages();
  for (const folder of ["docs", "docs/cli", "docs/adr"]) {
    for (const { name } of Deno.readDirSync(`${project}/${folder}`)) {
      if (!name.endsWith(".md")) continue;
      const path = `${folder}/${name}`.slice("docs/".length).replace("README.md", "index.md");
      assert.ok(all.has(path.replace(/\.md$/, ".html")), `${folder}/${name}`);
    }
  }
  for (const name of verbs.keys()) assert.ok(all.has(`cli/${name}.html`), name);
  for (
    const path of [
      "index.html",
      "changelog.html",
      "architecture.html",
      "api/index.html",
      "api/EventBroker.html",
      "api/connect.html",
      "api/testing/TestBroker.html",
    ]
  ) assert.ok(all.has(path), path);
  const menu = all.get("index.html")!;
  for (const { name } of Deno.readDirSync(`${project}/docs`)) {
    const path = name.replace(/\.md$/, ".html");
    if (path !== name) {
      assert.ok(menu.some(({ attributes }) => attributes.get("href") === path), name);
    }
  }
  const names = [...all.keys()].map((path) => path.toLowerCase());
  assert.equal(new Set(names).size, names.length, "also where a disk ignores case");
});

Deno.test("every link of the site leads to a file and an anchor that are there", async () => {
  const all = await pages();
  const files = await site();
  let links = 0;
  for (const [path, elements] of all) {
    const own = idsOf(elements);
    assert.equal(new Set(own).size, own.length, `${path} has an id twice`);
    for (const { name, attributes } of elements) {
      const targets = [attributes.get("href"), attributes.get("src"), attributes.get("srcset")];
      for (const target of targets.filter((one) => one !== undefined)) {
        if (name === "a" && /^https:\/\/\w/.test(target)) continue;
        const { pathname, hash, origin } = new URL(target, `https://here.invalid/${path}`);
        assert.equal(origin, "https://here.invalid", `${path} refers to ${target}`);
        const file = decodeURIComponent(pathname.slice(1));
        assert.ok(files.has(file), `${path} links to ${target}`);
        if (hash === "") continue;
        const anchor = decodeURIComponent(hash.slice(1));
        assert.ok(idsOf(all.get(file)!).includes(anchor), `${path} links to ${target}`);
        links++;
      }
    }
  }
  assert.ok(links > 500, `${links} anchors`);
});

Deno.test("the site asks no other host for anything, and runs no code that stands in a page", async () => {
  const policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'";
  for (const [path, elements] of await pages()) {
    // Before everything that it has to hold for.
    const [, , charset, csp] = elements;
    assert.deepEqual([charset?.name, charset?.attributes.get("charset")], ["meta", "utf-8"], path);
    assert.equal(csp?.attributes.get("http-equiv"), "Content-Security-Policy", path);
    assert.equal(csp?.attributes.get("content"), policy, path);
    for (const { name, attributes, text } of elements) {
      assert.match(
        name,
        /^(html|head|meta|title|link|script|body|a|header|span|search|label|input|div|main|nav|h[1-6]|p|ul|ol|li|pre|code|strong|em|table|thead|tbody|tr|th|td|details|summary|img|picture|source|br|hr|blockquote)$/,
        path,
      );
      for (const attribute of attributes.keys()) {
        assert.doesNotMatch(attribute, /^(on|style$|action$|ping$|integrity$)/, path);
      }
      if (name === "script") assert.deepEqual([text, attributes.has("src")], ["", true], path);
      if (name === "a") continue;
      for (const attribute of ["href", "src", "srcset"]) {
        assert.doesNotMatch(attributes.get(attribute) ?? "", /:|^\/\//, `${path}: ${name}`);
      }
    }
  }
  for (const [path, text] of await site()) {
    if (/\.(css|js)$/.test(path) && path !== "assets/index.js") {
      assert.doesNotMatch(
        text,
        /https?:|\/\/\w+\.|@import|url\(|fetch\(|XMLHttp|WebSocket|eval/,
        path,
      );
    }
    if (path.endsWith(".svg")) {
      const [, ...names] = text.split(/https?:\/\//);
      for (const name of names) assert.match(name, /^www\.w3\.org\/2000\/svg"/, path);
      assert.doesNotMatch(text, /<script|<image|<use|<foreignObject|\bhref=|@import/, path);
    }
  }
});

Deno.test("every page has a title, a way past the menu, and nothing that a keyboard cannot reach", async () => {
  const titles = new Map<string, string>();
  for (const [path, elements] of await pages()) {
    const one = (name: string) => {
      const found = elements.filter((element) => element.name === name);
      assert.equal(found.length, 1, `${path} has ${found.length} of ${name}`);
      return found[0]!;
    };
    assert.equal(one("html").attributes.get("lang"), "en", path);
    assert.equal(one("main").attributes.get("id"), "page:main", path);
    assert.ok(one("h1").text.trim() !== "", path);
    assert.equal(one("label").attributes.get("for"), one("input").attributes.get("id"), path);
    const title = one("title").text;
    const same = titles.get(title);
    // The entry point for tests exports some symbols of the library, too.
    assert.ok(
      same === undefined || path === same.replace("api/", "api/testing/"),
      `${path}, ${same}`,
    );
    titles.set(title, path);
    const first = elements.find(({ name }) => name === "a")!;
    assert.equal(first.attributes.get("href"), "#page:main", path);
    for (const { name, attributes, text } of elements) {
      assert.ok(["0", undefined].includes(attributes.get("tabindex")), path);
      if (name === "img") assert.ok(attributes.get("alt"), path);
      const label = text.trim() || attributes.get("aria-label");
      if (name === "a") assert.ok(attributes.has("href") && label, `${path}: an empty link`);
      // What is wider than the screen scrolls, also with the arrow keys.
      if (name === "pre" && attributes.get("class") !== "signature") {
        assert.equal(attributes.get("tabindex"), "0", path);
      }
    }
  }
});

Deno.test("the styles have colours for dark screens, and a layout for narrow ones", async () => {
  const css = (await site()).get("assets/style.css")!;
  const [, dark] = /prefers-color-scheme: dark\) \{\s*:root \{([^}]*)\}/.exec(css)!;
  const [, light] = /^:root \{([^}]*)\}/m.exec(css)!;
  const names = (block: string) => [...block.matchAll(/--\w+(?=:)/g)].map(String);
  assert.deepEqual(names(dark!), names(light!));
  assert.ok(names(dark!).length >= 6);
  for (const [, background, text] of [light, dark].map((block) => colours(block!))) {
    assert.ok(contrast(background!, text!) >= 7, `${background} ${text}`);
  }
  assert.match(css, /@media \(max-width: 40rem\)/);
  assert.match(css, /@media \(min-width: 60rem\)/);
});

function colours(block: string): [string, string, string] {
  const named = (name: string) => new RegExp(`--${name}: (#[0-9a-f]{6});`).exec(block)![1]!;
  return [block, named("ground"), named("text")];
}

/** As the accessibility guidelines define it: 1 to 21. */
function contrast(one: string, other: string): number {
  const [dark, light] = [one, other].map(luminance).sort((a, b) => a - b);
  return (light! + 0.05) / (dark! + 0.05);
}

function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

interface Found {
  url: string;
  title: string;
  excerpt: string[];
}

Deno.test("the search finds commands, error codes, promises and symbols, and takes any query", async () => {
  const files = await site();
  // Both are classic scripts: a page on a disk may load no modules.
  const run = (path: string, result: string) =>
    new Function(`const globalThis = {}; ${files.get(path)}; return ${result};`)();
  const index = run("assets/index.js", "globalThis.searchIndex");
  const find: (index: unknown, query: string) => Found[] = run("assets/search.js", "findSections");
  const search = (query: string) => find(index, query);
  const first = (query: string) => search(query)[0]?.url;
  assert.equal(first("dlq retry"), "cli/dlq.html#evs-dlq-retry");
  assert.equal(first("EventBroker"), "api/EventBroker.html");
  assert.equal(first("Back up every night"), "cookbook.html#back-up-every-night-keep-seven");
  for (
    const [query, url] of [["store/disk-full", "errors.html"], ["max_event_bytes", "configuration"]]
  ) {
    assert.ok(search(query!).some((found) => found.url.startsWith(url!)), query);
  }
  assert.ok(search("a full disk").some(({ url }) => url.startsWith("operating.html#")));
  for (
    const query of ["", " ", "zzzz-nothing", "publish zzzz-nothing", "(", "\\", "[a", "__proto__"]
  ) {
    assert.ok(Array.isArray(search(query)), query);
  }
  assert.deepEqual(search("publish zzzz-nothing"), []);
  assert.deepEqual(search(" "), []);
  const all = await pages();
  for (const [url, title] of index as [string, string][]) {
    const [path, anchor] = url.split("#") as [string, string | undefined];
    assert.ok(title !== "" && all.has(path), url);
    if (anchor !== undefined) assert.ok(idsOf(all.get(path)!).includes(anchor), url);
  }
  for (const { excerpt } of search("e")) assert.ok(excerpt.join("").length < 300);
});

Deno.test("the site has the same bytes when it is built again, and no path of this machine", async () => {
  const first = await site();
  assert.deepEqual([...await texts()], [...first]);
  const home = Deno.env.get("HOME") || "/";
  for (const [path, text] of first) {
    assert.ok(!text.includes(`${project}/`) && !text.includes("file:///"), path);
    // Pages of docs are as they were written, with homes of others in examples.
    if (path.startsWith("api/") && home !== "/") assert.ok(!text.includes(`${home}/`), path);
  }
});

Deno.test("deno task docs writes the site into a folder, with modes for everybody", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${project}/deno.json`));
  const folder = await Deno.makeTempDir({ prefix: "evs-site-" });
  const [deno, ...args] = tasks.docs.command.split(" ");
  assert.equal(deno, "deno");
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, `${folder}/site`],
    cwd: project,
  }).output();
  const decoder = new TextDecoder();
  assert.ok(success, decoder.decode(stderr));
  const files = await site();
  assert.equal(decoder.decode(stdout), `${files.size} files in ${folder}/site; open index.html\n`);
  for (const path of ["index.html", "api/EventBroker.html", "assets/index.js"]) {
    assert.equal(await Deno.readTextFile(`${folder}/site/${path}`), files.get(path), path);
    assert.equal(Deno.statSync(`${folder}/site/${path}`).mode! & 0o777, 0o644, path);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("marked is a package of the site alone", async () => {
  const read = (path: string) => Deno.readTextFile(`${project}/${path}`);
  assert.match(await read("tests/deno.lock"), /"marked@18\.2\.1"/);
  for (const path of ["deno.json", "deno.lock"]) {
    assert.doesNotMatch(await read(path), /marked@/, path);
  }
});

Deno.test("renderMarkdown escapes what is text, and refuses HTML and links that lead nowhere", () => {
  const resolve = (target: string) => {
    if (target === "there.md") return "there.html";
    throw new Error(`${target} leads nowhere`);
  };
  const { html, title, sections } = renderMarkdown(
    "# A `<b>` & c\n\n[x](there.md) <!-- gone -->\n\n```sh\necho '<>&'\n```\n\n## A B\n\n## A B\n",
    { resolve },
  );
  assert.equal(title, "A <b> & c");
  assert.match(html, /<h1 id="a-b--c">A <code>&lt;b&gt;<\/code> &amp; c<\/h1>/);
  assert.match(html, /<a href="there\.html">x<\/a>/);
  assert.match(html, /echo &#39;&lt;&gt;&amp;&#39;/);
  assert.deepEqual(sections.map(({ anchor }) => anchor), ["", "a-b", "a-b-1"]);
  assert.throws(
    () => renderMarkdown("# A\n\n<script>alert(1)</script>\n", { resolve }),
    /not Markdown/,
  );
  assert.throws(() => renderMarkdown("# A\n\n[x](gone.md)\n", { resolve }), /leads nowhere/);
});

Deno.test("anchors are those of GitHub, and paths between pages are relative", () => {
  const anchors = new Anchors();
  assert.equal(anchors.next("Flags of every command"), "flags-of-every-command");
  assert.equal(anchors.next("3. What's kept: `a_b` (c-d)"), "3-whats-kept-a_b-c-d");
  assert.equal(anchors.next("flags of EVERY command"), "flags-of-every-command-1");
  assert.equal(anchors.next("flags of every command-1"), "flags-of-every-command-1-1");
  assert.equal(relativePath("index.html", "cli/publish.html"), "cli/publish.html");
  assert.equal(relativePath("api/testing/A.html", "api/B.html"), "../B.html");
  assert.equal(relativePath("cli/dlq.html", "assets/style.css"), "../assets/style.css");
  assert.equal(relativePath("cli/dlq.html", "cli/get.html"), "get.html");
});
