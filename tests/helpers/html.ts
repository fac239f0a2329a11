/** Reads the HTML of our own pages, and refuses what a browser would have to guess. */
import assert from "node:assert/strict";

/** An element with what its start tag says. */
export interface HtmlElement {
  name: string;
  attributes: Map<string, string>;
  /** The text in it, with that of the elements in it. */
  text: string;
}

/** Elements without an end tag. */
const VOID = new Set(["img", "input", "link", "meta", "source", "br", "hr"]);

const TAG = /<!DOCTYPE html>|<(?<end>\/?)(?<name>[a-z][a-z0-9]*)(?<rest>[^<>]*)>/gy;
const ATTRIBUTE = /\s+(?<name>[a-z-]+)(?:="(?<value>[^"<>]*)")?/gy;

/** The elements of a page in order. Fails for tags that are not closed or not written plainly. */
export function htmlElements(html: string): HtmlElement[] {
  const elements: HtmlElement[] = [];
  const open: HtmlElement[] = [];
  let at = 0;
  while (at < html.length) {
    const next = html.indexOf("<", at);
    const text = html.slice(at, next < 0 ? undefined : next);
    assert.doesNotMatch(text, />|&(?!(?:amp|lt|gt|quot|#39);)/, "what is text is escaped");
    for (const element of open) element.text += decoded(text);
    if (next < 0) break;
    TAG.lastIndex = next;
    const found = TAG.exec(html);
    assert.ok(found, `no tag: ${html.slice(next, next + 80)}`);
    at = TAG.lastIndex;
    const { end, name, rest } = found.groups!;
    if (name === undefined) continue;
    if (end === "/") {
      assert.equal(open.pop()?.name, name, `</${name}> near ${html.slice(at - 80, at)}`);
    } else {
      const element = { name, attributes: attributesOf(rest!), text: "" };
      elements.push(element);
      if (!VOID.has(name)) open.push(element);
    }
  }
  assert.deepEqual(open.map(({ name }) => name), [], "everything is closed");
  return elements;
}

function attributesOf(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let end = 0;
  for (const { index, 0: whole, groups } of text.matchAll(ATTRIBUTE)) {
    assert.equal(index, end, text);
    end += whole.length;
    assert.ok(!found.has(groups!.name!), `${groups!.name} twice: ${text}`);
    found.set(groups!.name!, decoded(groups!.value ?? ""));
  }
  assert.equal(text.slice(end), "", `attributes: ${text}`);
  return found;
}

function decoded(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'").replaceAll("&amp;", "&");
}
