// The search page. The address holds the question and all settings, and the page shows what the address says.

import { byId, data, element, badge, nameOf, notice, plural } from "./dom.js";
import { post } from "./http.js";
import { BALANCES, boardOf } from "./results.js";
import { joinColumns } from "./lines.js";

let index;
let running = new AbortController();
let stopJoining = null;

export function prepareSearch(description, languages) {
  index = description;
  const ways = index.models.flatMap((model) => Object.entries(BALANCES).map(([balance, text]) => [`${model}|${balance}`, balance === "none" ? model : `${model}, ${text}`]));
  ["a", "b"].forEach((letter, side) => {
    const { model, balance } = index.columns[side];
    byId(letter).replaceChildren(...ways.map(([value, text]) => element("option", { value, textContent: text })));
    byId(letter).value = byId(letter).dataset.first = `${model}|${balance}`;
  });
  byId("languages").replaceChildren(...languages.map(({ language, passages }) => element("label", { className: "chip" }, element("input", { type: "checkbox", value: language }), badge(language, true), " ", nameOf(language), element("span", { className: "quiet" }, ` ${passages.toLocaleString("en")}`))));
  const form = byId("ask");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  form.addEventListener("change", (event) => {
    showFilter();
    if (event.target !== byId("question") && byId("question").value.trim()) ask();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "/" && !typing && !byId("search").hidden) {
      event.preventDefault();
      byId("question").select();
    } else if (event.key === "Escape" && byId("filter").open) {
      byId("filter").open = false;
      byId("filter").querySelector("summary").focus();
    }
  });
}

const chosen = () => [...byId("languages").querySelectorAll(":checked")].map((box) => box.value);

function showFilter() {
  const tags = chosen();
  byId("filtered").textContent = tags.length === 0 ? "all" : tags.length <= 3 ? tags.join(", ") : plural(tags.length, "language", "languages");
}

// Put the question and the form's settings into the address, which shows the results.
function ask(question = byId("question").value) {
  const settings = new URLSearchParams({ q: question.trim() });
  for (const letter of ["a", "b"]) if (byId(letter).value !== byId(letter).dataset.first) settings.set(letter, byId(letter).value);
  if (byId("k").value !== "10") settings.set("k", byId("k").value);
  if (chosen().length) settings.set("in", chosen().join(","));
  const address = `#search?${settings}`;
  if (location.hash === address) showSearch(settings);
  else location.hash = address;
}

export async function showSearch(settings) {
  const question = (settings.get("q") ?? "").trim();
  if (question || byId("go").disabled === false) byId("question").value = question; // keep what was typed while the page was loading
  byId("go").disabled = false;
  for (const letter of ["a", "b"]) {
    byId(letter).value = settings.get(letter) ?? byId(letter).dataset.first;
    if (!byId(letter).value) byId(letter).value = byId(letter).dataset.first;
  }
  byId("k").value = settings.get("k") ?? "10";
  if (!byId("k").value) byId("k").value = "10";
  const tags = (settings.get("in") ?? "").split(",");
  for (const box of byId("languages").querySelectorAll("input")) box.checked = tags.includes(box.value);
  showFilter();
  running.abort();
  if (!question) {
    say("");
    byId("results").replaceChildren(firstView());
    if (matchMedia("(hover: hover)").matches) byId("question").focus();
    return;
  }
  document.title = `${question} – isoglot`;
  await search(question, chosen());
}

async function search(question, languages) {
  running = new AbortController();
  const { signal } = running;
  const columns = ["a", "b"].map((letter) => {
    const [model, balance] = byId(letter).value.split("|");
    return { model, balance };
  });
  byId("results").setAttribute("aria-busy", "true");
  say("Searching …");
  try {
    const response = await post("/v1/search", { question, k: Number(byId("k").value), languages: languages.length ? languages : null, columns, twins: true }, signal);
    if (response.columns.every((column) => column.results.length === 0)) {
      say("No results.");
      byId("results").replaceChildren(notice("Nothing found", languages.length ? `There is no passage in ${languages.map(nameOf).join(" or ")}. Choose other languages, or none for all.` : "The index has no passages yet. Add documents with isoglot index --add.", element("p", {}, question)));
      return;
    }
    stopJoining?.();
    const board = boardOf(response);
    byId("results").replaceChildren(board);
    stopJoining = joinColumns(board);
    const [a, b] = response.columns.map((column) => new Set(column.results.map((result) => result.id)));
    const both = [...a].filter((id) => b.has(id)).length;
    const language = response.language ? `Question in ${nameOf(response.language)}. ` : "";
    say(`${language}${plural(both, "passage is", "passages are")} in both columns, ${a.size - both} in A alone, ${b.size - both} in B alone.`);
  } catch (error) {
    if (error.name === "AbortError") return;
    say("");
    const again = element("button", { className: "main", onclick: () => search(question, languages) }, "Search again");
    const failure = notice(error.title ?? "Something went wrong", error.message, again);
    failure.setAttribute("role", "alert");
    byId("results").replaceChildren(failure);
  } finally {
    if (!signal.aborted) byId("results").removeAttribute("aria-busy");
  }
}

const say = (text) => { byId("status").textContent = text; };

function firstView() {
  const examples = index.examples.map(({ language, text }) => element("li", {}, element("button", { className: "example", onclick: () => ask(text) }, badge(language), data(text, language))));
  return element(
    "div",
    { className: "beginning" },
    element("h2", {}, "Does it rank by meaning, or by language?"),
    element("p", {}, "Ask a question and compare the results of two ways to search, side by side. Lines join the same passage in both columns; each passage shows its translations and their ranks."),
    examples.length ? element("p", { className: "quiet" }, "Or begin with words from the corpus:") : null,
    element("ul", { className: "examples" }, ...examples),
  );
}
