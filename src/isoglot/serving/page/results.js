// The columns of results: a card for each, and the languages of a column's results beside those of the corpus.

import { badge, colourOf, data, element, nameOf, percent, plural } from "./dom.js";

const LETTERS = ["A", "B"];
export const BALANCES = { none: "by score", equal: "equal shares", proportional: "proportional shares", scaled: "scaled by language" };

export function boardOf(response) {
  const board = element("div", { className: "board" }, ...response.columns.map((column, side) => columnOf(column, side, response.corpus)));
  board.addEventListener("keydown", (event) => move(board, event));
  const highlightCard = (event) => highlight(board, event.target.closest(".card"));
  board.addEventListener("focusin", highlightCard);
  board.addEventListener("focusout", () => highlight(board, null));
  board.addEventListener("mouseover", highlightCard);
  board.addEventListener("mouseleave", () => highlight(board, null));
  return board;
}

function columnOf(column, side, corpus) {
  return element(
    "section",
    { className: "column", ariaLabel: `Column ${LETTERS[side]}: ${column.model}, ${BALANCES[column.balance]}` },
    element("h2", {}, element("b", { className: "letter" }, LETTERS[side]), " ", data(column.model), column.balance === "none" ? null : element("span", { className: "quiet" }, ` ${BALANCES[column.balance]}`)),
    mixOf(column, corpus),
    element("ol", { className: "cards" }, ...column.results.map((result, row) => element("li", {}, cardOf(result, side, row, column)))),
  );
}

function mixOf(column, corpus) {
  const inWords = (shares) => Object.entries(shares).map(([tag, share]) => `${nameOf(tag)} ${percent(share)}`).join(", ");
  const bar = (shares, what) => {
    const parts = Object.entries(shares).map(([tag, share]) => {
      const part = element("span", { title: `${nameOf(tag)} ${percent(share)}`, textContent: share >= 0.07 ? tag : "" });
      part.style.flexGrow = share;
      part.style.setProperty("--of", colourOf(tag));
      return part;
    });
    const drawn = element("div", { className: "stack", role: "img", ariaLabel: `${what}: ${inWords(shares)}` }, ...parts);
    drawn.setAttribute("role", "img");
    return element("div", { className: "row" }, element("span", { className: "what" }, what), drawn);
  };
  return element("div", { className: "mix" }, bar(column.mix, "Results"), bar(corpus, "Corpus"));
}

function cardOf(result, side, row, column) {
  const shownIds = column.results.map((other) => other.id);
  const card = element(
    "article",
    { className: "card", tabIndex: row === 0 ? 0 : -1, ariaLabel: `Rank ${result.rank}, ${nameOf(result.language)}` },
    element(
      "div",
      { className: "facts" },
      element("span", { className: "rank" }, String(result.rank)),
      badge(result.language),
      element("span", { className: "score", title: "Cosine between question and passage" }, result.score.toFixed(3)),
      result.scaled === null ? null : element("span", { className: "scaled", title: "Cosine less what is usual for the language: the order of this column" }, signed(result.scaled)),
      otherRank(result, side),
    ),
    result.title ? element("h3", { dir: "auto", lang: result.language, textContent: result.title }) : null,
    textOf(result),
    result.twins.length ? twinsOf(result, shownIds) : null,
    sourceOf(result),
  );
  card.dataset.id = result.id;
  card.dataset.language = result.language;
  if (result.content_id !== null) card.dataset.content = result.content_id;
  return card;
}

function signed(number) {
  return `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(3)}`;
}

// The rank in the other column, and whether the passage moves up or down from A to B.
function otherRank(result, side) {
  if (result.other_rank === null) return null;
  const [a, b] = side === 0 ? [result.rank, result.other_rank] : [result.other_rank, result.rank];
  const [mark, className, direction] = b < a ? ["▲", "up", "up"] : b > a ? ["▼", "down", "down"] : ["=", "", "nowhere"];
  return element(
    "span",
    { className: `other ${className}`, title: `Rank ${a} in A, ${b} in B` },
    element("span", { ariaHidden: "true" }, `${mark} `),
    `${LETTERS[1 - side]} #${result.other_rank.toLocaleString("en")}`,
    element("span", { className: "unseen" }, `, moves ${direction} from A to B`),
  );
}

function textOf(result) {
  const text = element("p", { className: "text", dir: "auto", lang: result.language, textContent: result.text });
  const more = element("button", { className: "more", hidden: true, onclick: () => {
    const open = text.classList.toggle("open");
    more.textContent = open ? "Less" : "More";
    more.setAttribute("aria-expanded", String(open));
    text.closest(".board").dispatchEvent(new Event("resized"));
  } }, "More");
  more.setAttribute("aria-expanded", "false");
  requestAnimationFrame(() => { more.hidden = text.scrollHeight <= text.clientHeight + 2; });
  const cut = result.cut ? element("p", { className: "quiet" }, `${plural(result.cut, "character", "characters")} more are not shown.`) : null;
  return element("div", {}, text, more, cut);
}

function twinsOf(result, shownIds) {
  const twins = result.twins.filter(({ rank }) => rank !== null).sort((a, b) => a.rank - b.rank);
  const hidden = result.twins.length - twins.length;
  const items = twins.map(({ id, language, rank }) => {
    const label = [badge(language), ` #${rank.toLocaleString("en")}`];
    if (!shownIds.includes(id)) return element("li", {}, ...label);
    const go = (event) => [...event.currentTarget.closest(".column").querySelectorAll(".card")].find((card) => card.dataset.id === id).focus();
    return element("li", {}, element("button", { className: "twin", title: "Go to it in this column", onclick: go }, ...label));
  });
  if (hidden) items.push(element("li", { className: "quiet" }, `${hidden} filtered out`));
  return element("div", { className: "twins" }, element("span", { className: "quiet" }, "Translations"), element("ul", {}, ...items));
}

function sourceOf(result) {
  if (!result.source) return null;
  if (!/^https?:\/\//i.test(result.source)) return element("p", { className: "source quiet" }, data(result.source));
  return element("p", { className: "source" }, element("a", { href: result.source, rel: "noreferrer noopener", target: "_blank" }, data(result.source)));
}

// Arrow keys: up and down in a column, left and right to the same passage in the other column, or else the same place.
function move(board, event) {
  const card = event.target.closest(".card");
  if (!card || event.target !== card) return;
  const columns = [...board.querySelectorAll(".column")].map((column) => [...column.querySelectorAll(".card")]);
  const side = columns.findIndex((cards) => cards.includes(card));
  const row = columns[side].indexOf(card);
  const beside = (other) => columns[other]?.find(({ dataset }) => dataset.id === card.dataset.id) ?? columns[other]?.[Math.min(row, columns[other].length - 1)];
  const next = { ArrowDown: columns[side][row + 1], ArrowUp: columns[side][row - 1], ArrowLeft: beside(side - 1), ArrowRight: beside(side + 1), Home: columns[side][0], End: columns[side].at(-1) }[event.key];
  if (event.key === "Enter") card.querySelector(".more:not([hidden])")?.click();
  if (!next) return;
  event.preventDefault();
  for (const cards of columns) if (cards.includes(next)) for (const other of cards) other.tabIndex = other === next ? 0 : -1;
  next.focus();
}

// Highlight a passage and its translations in both columns; without a card, highlight nothing.
function highlight(board, card) {
  for (const other of board.querySelectorAll(".card")) {
    const same = card !== null && other !== card && other.dataset.id === card.dataset.id;
    const twin = card !== null && !same && other !== card && card.dataset.content !== undefined && other.dataset.content === card.dataset.content;
    other.classList.toggle("same", same);
    other.classList.toggle("twinned", twin);
  }
  const end = card?.closest(".column").matches(":last-child") ? "to" : "from";
  for (const line of board.querySelectorAll(".lines path")) line.classList.toggle("lit", card !== null && line.dataset[end] === card.dataset.id);
}
