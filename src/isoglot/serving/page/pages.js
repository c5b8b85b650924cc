// The Bias page and the Corpus page.

import { badge, byId, colourOf, element, figure, nameOf, notice, percent, plural } from "./dom.js";
import { blob, get } from "./http.js";

async function fill(id, heading, load) {
  const section = byId(id);
  const title = element("h1", {}, heading);
  section.replaceChildren(title, element("p", { className: "quiet", role: "status" }, "Drawing …"));
  try {
    section.replaceChildren(title, ...(await load()));
  } catch (error) {
    section.replaceChildren(title, notice(error.title ?? "Something went wrong", error.message));
  }
}

export const showBias = () => fill("bias", "Bias", async () => {
  const { collection, headline, charts } = await get("/v1/bias");
  if (collection === null) {
    return [notice("No audit to show yet", "An audit says how far language decides what is found. Make one, and name its folder when you start the server:", element("pre", { tabIndex: 0 }, "isoglot audit MODEL --index DIR -o audit\nisoglot serve DIR --audit audit"))];
  }
  const save = element("button", { className: "main", onclick: async () => {
    const address = URL.createObjectURL(await blob("/v1/report"));
    element("a", { href: address, download: "isoglot-report.html" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  } }, "Save the whole report");
  return [
    element("p", { className: "quiet" }, "The audit of ", element("bdi", {}, collection), "."),
    element("ul", { className: "verdict" }, ...headline.map((line) => element("li", {}, line))),
    element("p", {}, save),
    element("div", { className: "charts" }, ...charts.map(figure)),
  ];
});

export const showCorpus = () => fill("corpus", "Corpus", async () => {
  const [{ languages }, { charts }] = await Promise.all([get("/v1/languages"), get("/v1/corpus")]);
  if (languages.length === 0) return [notice("The index is empty", "Add documents with isoglot index --add, and this page shows them.")];
  const total = languages.reduce((sum, { passages }) => sum + passages, 0);
  const most = Math.max(...languages.map(({ passages }) => passages));
  const rows = languages.map(({ language, passages }) => {
    const bar = element("span", { className: "bar" });
    bar.style.inlineSize = `${(100 * passages) / most}%`;
    bar.style.setProperty("--of", colourOf(language));
    return element("tr", {}, element("th", { scope: "row" }, badge(language, true), " ", nameOf(language)), element("td", { className: "number" }, passages.toLocaleString("en")), element("td", { className: "number" }, percent(passages / total)), element("td", { className: "bars" }, bar));
  });
  return [
    element("p", { className: "quiet" }, `${plural(total, "passage", "passages")} in ${plural(languages.length, "language", "languages")}.`),
    element("table", { className: "counts" }, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Language"), ...["Passages", "Share"].map((text) => element("th", { scope: "col", className: "number" }, text)), element("td", { className: "bars" }))), element("tbody", {}, ...rows)),
    ...(charts.length ? charts.map(figure) : [element("p", { className: "quiet" }, "A map needs at least three passages.")]),
  ];
});
