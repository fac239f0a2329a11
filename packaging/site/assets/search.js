// The search: finds sections that have all words. The index is loaded when it is first needed, as a
// script, because a page that was opened from a disk may not read other files.

const MOST = 20;
const AROUND = 70;

/** The entries of the index that have all words, the best first. */
function findSections(index, query) {
  const words = query.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return [];
  const found = [];
  for (const [url, title, page, text] of index) {
    const score = scoreOf(words, { title: title.toLowerCase(), page: page.toLowerCase(), text });
    if (score > 0) found.push({ url, title, page, excerpt: excerptOf(words, text), score });
  }
  return found.sort((a, b) => b.score - a.score || (a.url < b.url ? -1 : 1)).slice(0, MOST);
}

/** 0 if a word is nowhere. A title counts more than the page's title, and that more than the text. */
function scoreOf(words, { title, page, text }) {
  const lower = text.toLowerCase();
  const phrase = words.join(" ");
  let score = title === phrase ? 100 : title.includes(phrase) ? 50 : 0;
  for (const word of words) {
    if (begins(title, word)) score += 20;
    else if (title.includes(word)) score += 10;
    else if (begins(page, word)) score += 5;
    else if (begins(lower, word)) score += 2;
    else if (lower.includes(word)) score += 1;
    else return 0;
  }
  return score;
}

/** Whether a word of the text begins like this one. */
function begins(text, word) {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (at === 0 || !/[\p{L}\p{N}]/u.test(text[at - 1])) return true;
  }
  return false;
}

/** What stands around the first word that is in the text: before, the word, after. */
function excerptOf(words, text) {
  const lower = text.toLowerCase();
  const places = words.map((word) => ({ at: lower.indexOf(word), word }))
    .filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at);
  const { at, word } = places[0] ?? { at: 0, word: "" };
  const from = Math.max(0, at - AROUND);
  const to = at + word.length + AROUND;
  return [
    (from > 0 ? "…" : "") + text.slice(from, at),
    text.slice(at, at + word.length),
    text.slice(at + word.length, to) + (to < text.length ? "…" : ""),
  ];
}

function loadIndex(root) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${root}assets/index.js`;
    script.onload = () => resolve(globalThis.searchIndex);
    script.onerror = () => reject(new Error("the search index cannot be loaded"));
    document.head.append(script);
  });
}

/** A found section as a link. */
function resultLine({ url, title, page, excerpt: [before, word, after] }, root) {
  const link = document.createElement("a");
  link.href = root + url;
  const small = document.createElement("small");
  small.textContent = page === title ? "" : ` ${page}`;
  const mark = document.createElement("mark");
  mark.textContent = word;
  const body = paragraph(before);
  body.append(mark, after);
  link.append(title, small, body);
  return link;
}

function paragraph(text) {
  const element = document.createElement("p");
  element.textContent = text;
  return element;
}

function startSearch(area) {
  const input = area.querySelector("input");
  const results = area.querySelector(".results");
  const root = area.dataset.root;
  let index;
  area.hidden = false;

  async function show() {
    const query = input.value.trim();
    let lines;
    try {
      const found = findSections(await (index ??= loadIndex(root)), query);
      lines = found.map((section) => resultLine(section, root));
      if (query !== "" && found.length === 0) lines = [paragraph(`Nothing has "${query}".`)];
    } catch (error) {
      lines = [paragraph(error.message)];
    }
    // Typed on meanwhile: the later call shows it.
    if (input.value.trim() === query) results.replaceChildren(...lines);
  }

  function close() {
    input.value = "";
    results.replaceChildren();
  }

  input.addEventListener("input", show);
  area.addEventListener("keydown", (event) => {
    const places = [input, ...results.querySelectorAll("a")];
    const at = places.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") {
      close();
      input.focus();
    } else if (event.key === "Enter" && at === 0) places[1]?.click();
    else if (step !== undefined && places[at + step] !== undefined) places[at + step].focus();
    else return;
    event.preventDefault();
  });
  // A result on the same page leaves the list open otherwise.
  results.addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof HTMLInputElement;
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    input.focus();
  });
}

if (typeof document !== "undefined") startSearch(document.querySelector("search"));
