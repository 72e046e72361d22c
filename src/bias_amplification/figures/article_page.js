"use strict";
// Shows a chosen article and round. Every text becomes a text node, so that no text can become an element.

// Words count as common if at least so many in a row are. Without this, unlike texts would share each "of the".
const RUN = 3;
// Words are compared one by one if the product of their numbers in both texts is at most this, which takes 16 MB and
// about 0.05 s. Longer texts are compared sentence by sentence.
const MOST_PAIRS = 2 ** 22;

const place = name => document.getElementById(name);

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// JSON, compressed by zlib, in base64.
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), character => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

// The words and punctuation marks of a text, each with the white space after it, and the white space before the first.
function cut(text, segmenter) {
  const words = [];
  let before = "";
  for (const { segment, isWordLike } of segmenter.segment(text)) {
    if (segment.trim()) words.push({ word: segment, space: "", counts: isWordLike });
    else if (words.length) words[words.length - 1].space += segment;
    else before += segment;
  }
  return { before, words };
}

// For each item of two lists, whether it belongs to the longest common subsequence of runs of at least `run` items.
function common(left, right, run) {
  const numbers = new Map();
  const coded = list => Uint32Array.from(list, item => numbers.get(item) ?? (numbers.set(item, numbers.size), numbers.size - 1));
  const a = coded(left), b = coded(right), kept = [new Uint8Array(a.length), new Uint8Array(b.length)];
  if (left.length === right.length && a.every((code, at) => code === b[at])) return kept.map(flags => flags.fill(1));
  const begins = (i, j) => {
    for (let k = 0; k < run; k++) if (i + k >= a.length || a[i + k] !== b[j + k]) return false;
    return true;
  };
  // From a[i] and b[j] on, the most items in common: `free` if a run must begin first, `held` if one may be continued.
  const width = b.length + 1, free = new Uint16Array((a.length + 1) * width), held = new Uint16Array(free.length);
  const equal = new Uint16Array(b.length);  // equal[j]: how many items from a[i] and b[j] on are equal
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1, at = i * width + j, after = 0; j >= 0; j--, at--) {
      const length = a[i] === b[j] ? after + 1 : 0;
      after = equal[j];
      equal[j] = length;
      let most = Math.max(free[at + width], free[at + 1]);
      if (length >= run) most = Math.max(most, run + held[at + run * (width + 1)]);
      free[at] = most;
      held[at] = length ? Math.max(most, 1 + held[at + width + 1]) : most;
    }
  }
  let i = 0, j = 0, within = false;
  while (i < a.length && j < b.length) {
    const at = i * width + j;
    let taken = 0;
    if (within && a[i] === b[j] && held[at] === 1 + held[at + width + 1]) taken = 1;
    else if (begins(i, j) && free[at] === run + held[at + run * (width + 1)]) taken = run;
    within = taken > 0;
    if (within) kept[0].fill(1, i, i += taken), kept[1].fill(1, j, j += taken);
    else if (free[at] === free[at + width]) i++;
    else j++;
  }
  return kept;
}

// The sentences of a list of words, each as one string, and their numbers of words.
function sentences(words) {
  const found = [[]];
  for (const word of words) {
    found[found.length - 1].push(word);
    if (/^[.!?。！？।؟]+$/u.test(word)) found.push([]);
  }
  return { texts: found.map(sentence => sentence.join(" ")), lengths: found.map(sentence => sentence.length) };
}

// For each word of two texts, whether it is common to both; the last words of very long texts count as changed.
function commonWords(left, right) {
  if (left.length * right.length <= MOST_PAIRS) return common(left, right, RUN);
  const most = Math.floor(Math.sqrt(MOST_PAIRS)), sides = [left, right].map(sentences);
  const flags = common(...sides.map(({ texts }) => texts.slice(0, most)), 1);
  return sides.map(({ lengths }, side) =>
    Uint8Array.from(lengths.flatMap((length, at) => Array(length).fill(flags[side][at] ?? 0))));
}

// White space as the page shows it: many empty lines, which models write, are counted instead.
function gap(space) {
  const lines = space.split("\n").length - 2;
  return lines < 4 ? space : element("span", { className: "gap" }, `\n[${lines} empty lines]\n`);
}

// Append a text's words to an element; those that are not kept are within elements with the given tag.
function appendMarked(box, { before, words }, kept, tag) {
  box.append(gap(before));
  for (let from = 0, to; from < words.length; from = to) {
    const run = kept[from] ? box : element(tag, {});
    for (to = from; to < words.length && kept[to] === kept[from]; to++) {
      if (to > from) run.append(gap(words[to - 1].space));
      run.append(words[to].word);
    }
    if (run !== box) box.append(run);
    box.append(gap(words[to - 1].space));
  }
  box.normalize();
}

const number = (value, digits) => value === null
  ? "–"
  : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function bar(share, colour) {
  const filled = element("span", {});
  filled.style.width = `${100 * share}%`;
  filled.style.background = colour;
  const made = element("span", { className: "bar" }, filled);
  made.setAttribute("aria-hidden", "true");
  return made;
}

class ArticlePage {
  constructor(data) {
    this.data = data;
    this.segmenter = new Intl.Segmenter(data.language, { granularity: "word" });
    place("round").append(...data.rounds.map((round, at) => new Option(round.name, at)));
    const fields = new URLSearchParams(location.hash.slice(1));
    const named = data.rounds.findIndex(round => round.name === (fields.get("round") ?? data.first.round));
    place("round").value = Math.max(0, named);
    this.listArticles(fields.get("article") ?? data.first.article);
    if (fields.get("beside") === "original") document.querySelector("[value=original]").checked = true;
    const heading = ["Text of", "Label", ...data.labels.map(([label]) => label), "Text\nquality",
      "Perplexity,\nbase model", "Perplexity,\nown model", "New\nwords"];
    const columns = heading.map(text => element("th", { scope: "col", className: text === "Label" ? "label" : "" }, text));
    place("columns").append(element("tr", {}, ...columns));
    place("round").addEventListener("change", () => {
      this.listArticles(this.article.id);
      this.show();
    });
    place("article").addEventListener("change", () => this.show());
    place("choice").addEventListener("change", event => event.target.name === "beside" && this.show());
    place("choice").addEventListener("submit", event => event.preventDefault());
    this.show();
  }

  get round() { return this.data.rounds[place("round").value]; }
  get article() { return this.data.seed_sets[this.round.seed_set].articles[place("article").value]; }
  get beside() { return document.querySelector("[name=beside]:checked").value; }

  nameOf(article) { return article.title || `${this.data.words.article} ${article.id}`; }

  // Fill the list of articles with those of the round, by label, and select one if the round has it.
  listArticles(identifier) {
    const articles = this.data.seed_sets[this.round.seed_set].articles;
    const groups = this.data.labels.map(([label]) => {
      const group = element("optgroup", { label });
      articles.forEach((article, at) => {
        if (article.label === label) group.append(element("option", { value: at, lang: this.data.language }, this.nameOf(article)));
      });
      return group;
    });
    place("article").replaceChildren(...groups.filter(group => group.children.length));
    const known = articles.findIndex(article => article.id === identifier);
    if (known >= 0) place("article").value = known;
    else place("article").selectedIndex = 0;
  }

  show() {
    const { round, article, beside } = this;
    place("title").textContent = this.nameOf(article);
    place("title").lang = this.data.language;
    place("facts").textContent = `${this.data.words.article} ${article.id}, labelled ${article.label}`
      + (article.outlet ? " after its outlet" : "");
    const rows = round.rows[place("article").value];
    const names = rows.map((_, at) => at ? `Generation ${at - 1}` : "Base model");
    const original = { name: this.data.words.original, head: "", text: this.data.texts[article.body] };
    const texts = rows.map((row, at) => ({ name: names[at], head: this.data.texts[row.head], text: this.data.texts[row.text] }));
    const sections = [], lines = [];
    rows.forEach((row, at) => {
      const pair = this.pair(beside === "before" && at ? texts[at - 1] : original, texts[at]);
      const section = this.section(row, at, names[at], pair);
      sections.push(section);
      lines.push(this.line(row, names[at], pair, section));
    });
    place("numbers").replaceChildren(...lines);
    place("versions").replaceChildren(...sections);
    place("status").textContent = `Shown: round ${round.name}, ${names.length} texts, each beside `
      + (beside === "before" ? "the text of the version before." : `the ${original.name.toLowerCase()}.`);
    // An address with the choice, to be passed on. It makes no entries in the browser's history.
    history.replaceState(null, "", `#${new URLSearchParams({ round: round.name, article: article.id, beside })}`);
  }

  // The two texts side by side with the change marked, and how many words of the second are new.
  pair(before, now) {
    // The original begins with the words that models were prompted with.
    const shared = !before.head && now.head && before.text.startsWith(now.head);
    if (shared) before = { ...before, head: now.head, text: before.text.slice(now.head.length) };
    const [left, right] = [before, now].map(({ text }) => cut(text, this.segmenter));
    const kept = commonWords(...[left, right].map(({ words }) => words.map(({ word }) => word)));
    const sides = [[before, left, "del"], [now, right, "ins"]].map(([shown, words, tag], side) => {
      const inner = element("div", { lang: this.data.language, dir: "auto" });
      if (shown.head) inner.append(element("span", { className: "head" }, shown.head));
      if (shown.text) appendMarked(inner, words, kept[side], tag);
      const box = element("div", { className: "text", tabIndex: 0, role: "group", ariaLabel: `Text: ${shown.name}` }, inner);
      if (!shown.text) box.append(" (nothing written)");
      return element("div", { className: "side" }, element("h4", {}, shown.name), box);
    });
    // Punctuation marks are not counted.
    const counted = right.words.flatMap(({ counts }, at) => counts ? [kept[1][at]] : []);
    return { element: element("div", { className: "pair" }, ...sides), words: counted.length,
      fresh: counted.filter(flag => !flag).length };
  }

  section(row, at, name, pair) {
    const label = row.label ?? "no label";
    const sure = row.label === null ? "" : ` (${number(Math.max(...row.probabilities), 3)})`;
    const said = ` ${label}${sure}, text quality ${number(row.quality, 2)}, ${pair.fresh} of ${pair.words} words are new`;
    const heading = element("h3", { tabIndex: -1 }, `${name}:`, element("span", {}, said));
    return element("section", { id: `version-${at}` }, heading, pair.element);
  }

  line(row, name, pair, section) {
    const link = element("a", { href: `#${section.id}` }, name);
    link.addEventListener("click", event => {
      // The address keeps the choice.
      event.preventDefault();
      section.scrollIntoView();
      section.querySelector("h3").focus({ preventScroll: true });
    });
    const cells = row.probabilities.map((share, at) =>
      element("td", {}, bar(share ?? 0, this.data.labels[at][1]), number(share, 3)));
    const fresh = pair.words ? `${Math.round(100 * pair.fresh / pair.words)}%` : "–";
    return element("tr", {},
      element("th", { scope: "row" }, link),
      element("td", { className: "label" }, row.label ?? "no label"),
      ...cells,
      element("td", {}, bar((row.quality ?? 0) / 3, "var(--quiet)"), number(row.quality, 2)),
      ...row.perplexity.map(value => element("td", {}, number(value, 1))),
      element("td", {}, fresh));
  }
}

if (window.DecompressionStream && Intl.Segmenter) {
  unpack(JSON.parse(place("data").textContent)).then(data => new ArticlePage(data));
} else {
  place("status").textContent = "This browser is too old to show the texts: use one of 2024 or later.";
}
