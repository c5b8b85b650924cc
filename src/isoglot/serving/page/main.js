// Which page is shown. The part of the address behind # says so, which browsers do not send to servers.

import { byId, element, setLanguages, notice, plural } from "./dom.js";
import { get, setKey } from "./http.js";
import { showApi } from "./docs.js";
import { showBias, showCorpus } from "./pages.js";
import { prepareSearch, showSearch } from "./search.js";

const PAGES = { search: showSearch, bias: showBias, corpus: showCorpus, api: showApi };
const TITLES = { search: "Search", bias: "Bias", corpus: "Corpus", api: "API" };

function askForKey() {
  const input = element("input", { type: "password", ariaLabel: "Key", autocomplete: "off", required: true });
  const button = element("button", { className: "main" }, "Use it");
  const form = element("form", { onsubmit: (event) => {
    event.preventDefault();
    input.disabled = button.disabled = true; // the answer to a wrong key brings a new form
    setKey(input.value);
    start();
  } }, input, " ", button);
  byId("key").replaceChildren(notice("This server asks for a key", "Whoever started it has one. It stays in this tab.", form));
  byId("key").hidden = false;
  byId("search").hidden = true;
  input.focus();
}

async function route() {
  const [name, query = ""] = location.hash.slice(1).split("?", 2);
  const page = Object.hasOwn(PAGES, name) ? name : "search";
  for (const other of Object.keys(PAGES)) byId(other).hidden = other !== page;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${page}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${TITLES[page]} – isoglot`;
  await PAGES[page](new URLSearchParams(query));
}

async function start() {
  try {
    const [index, { languages }] = await Promise.all([get("/v1/index"), get("/v1/languages")]);
    byId("key").hidden = true;
    setLanguages(languages);
    byId("about").replaceChildren(element("bdi", { textContent: index.name }), `: ${plural(index.passages, "passage", "passages")} in ${plural(languages.length, "language", "languages")}`);
    prepareSearch(index, languages);
    window.addEventListener("hashchange", route);
    await route();
  } catch (error) {
    if (error.status === 401) return askForKey();
    byId("key").hidden = true;
    byId("search").hidden = false;
    byId("results").replaceChildren(notice(error.title ?? "Something went wrong", error.message, element("button", { className: "main", onclick: () => location.reload() }, "Try again")));
  }
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});

start();
