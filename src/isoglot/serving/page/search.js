// The search page. The address holds the question and all settings; everything is shown from there.

import { byId, data, element, badge, nameOf, notice, plural } from "./dom.js";
import { post } from "./http.js";
import { columnsOf } from "./results.js";
import { join } from "./lines.js";

const BALANCES = { none: "", equal: ", equal shares", proportional: ", proportional shares" };
let index;
let running = new AbortController();
let shown = null;

export function prepareSearch(description, languages) {
  index = description;
  const ways = index.models.flatMap((model) => Object.entries(BALANCES).map(([balance, text]) => [`${model}|${balance}`, model + text]));
  ["a", "b"].forEach((letter, at) => {
    const { model, balance } = index.columns[at];
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
    sayFilter();
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

function sayFilter() {
  const tags = chosen();
  byId("filtered").textContent = tags.length === 0 ? "all" : tags.length <= 3 ? tags.join(", ") : plural(tags.length, "language", "languages");
}

// Put form and question into the address, which shows the results.
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
  if (question || byId("go").disabled === false) byId("question").value = question; // else what was typed before all was here
  byId("go").disabled = false;
  for (const letter of ["a", "b"]) {
    byId(letter).value = settings.get(letter) ?? byId(letter).dataset.first;
    if (!byId(letter).value) byId(letter).value = byId(letter).dataset.first;
  }
  byId("k").value = settings.get("k") ?? "10";
  if (!byId("k").value) byId("k").value = "10";
  const tags = (settings.get("in") ?? "").split(",");
  for (const box of byId("languages").querySelectorAll("input")) box.checked = tags.includes(box.value);
  sayFilter();
  running.abort();
  if (!question) {
    say("");
    byId("found").replaceChildren(beginning());
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
  byId("found").setAttribute("aria-busy", "true");
  say("Searching …");
  try {
    const found = await post("/v1/search", { question, k: Number(byId("k").value), languages: languages.length ? languages : null, columns, twins: true }, signal);
    if (found.columns.every((column) => column.results.length === 0)) {
      say("No results.");
      byId("found").replaceChildren(notice("Nothing found", languages.length ? `There is no passage in ${languages.map(nameOf).join(" or ")}. Choose other languages, or none for all.` : "The index has no passages yet: isoglot index --add puts some in.", element("p", {}, question)));
      return;
    }
    shown?.();
    const board = columnsOf(found);
    byId("found").replaceChildren(board);
    shown = join(board);
    const [a, b] = found.columns.map((column) => new Set(column.results.map((result) => result.id)));
    const both = [...a].filter((id) => b.has(id)).length;
    const language = found.language ? `Question in ${nameOf(found.language)}. ` : "";
    say(`${language}${plural(both, "passage is", "passages are")} in both columns, ${a.size - both} in A alone, ${b.size - both} in B alone.`);
  } catch (error) {
    if (error.name === "AbortError") return;
    say("");
    const again = element("button", { className: "main", onclick: () => search(question, languages) }, "Search again");
    const told = notice(error.title ?? "Something went wrong", error.message, again);
    told.setAttribute("role", "alert");
    byId("found").replaceChildren(told);
  } finally {
    if (!signal.aborted) byId("found").removeAttribute("aria-busy");
  }
}

const say = (text) => { byId("status").textContent = text; };

function beginning() {
  const examples = index.examples.map(({ language, text }) => element("li", {}, element("button", { className: "example", onclick: () => ask(text) }, badge(language), data(text, language))));
  return element(
    "div",
    { className: "beginning" },
    element("h2", {}, "Does it rank by meaning, or by language?"),
    element("p", {}, "Ask one question and see what two ways to search find, side by side. Lines join the same passage in both columns; under each passage stand its translations and the ranks they got."),
    examples.length ? element("p", { className: "quiet" }, "Or begin with words from the corpus:") : null,
    element("ul", { className: "examples" }, ...examples),
  );
}
