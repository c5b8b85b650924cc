// Elements of the page, and the names and colours of languages. Text from data is set as text, never as markup.

export const byId = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const created = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key.startsWith("on")) created.addEventListener(key.slice(2), value);
    else if (key in created && key !== "list") created[key] = value;
    else created.setAttribute(key, value);
  }
  created.append(...children.filter((child) => child !== null && child !== undefined));
  return created;
}

// Text from data, isolated so that its direction does not affect the text around it.
export const data = (text, language) => element("bdi", { dir: "auto", lang: language, textContent: text });

const names = new Map();
const colours = new Map();

export function setLanguages(languages) {
  for (const { language, name } of languages) names.set(language, name);
  // Sorted by tag, so that languages have the colours of the map on the Corpus page.
  [...names.keys()].sort().forEach((tag, number) => colours.set(tag, `var(--language${number % 12})`));
}

export const nameOf = (tag) => names.get(tag) ?? tag;
export const colourOf = (tag) => colours.get(tag) ?? "var(--quiet)";

// A language's tag, with its name for screen readers unless the name stands beside the badge.
export function badge(tag, named = false) {
  const name = named ? null : element("span", { className: "unseen" }, ` (${nameOf(tag)})`);
  const created = element("span", { className: "badge", title: nameOf(tag) }, tag, name);
  created.style.setProperty("--of", colourOf(tag));
  return created;
}

export const percent = (share) => `${share > 0 && share < 0.01 ? "<1" : Math.round(100 * share)} %`;
export const plural = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

export function notice(title, text, ...more) {
  return element("div", { className: "notice" }, element("h2", { textContent: title }), element("p", { textContent: text }), ...more);
}

export function figure(chart) {
  const parser = new DOMParser();
  return element(
    "figure",
    {},
    element("figcaption", {}, element("h2", {}, chart.title), element("p", { className: "quiet" }, chart.summary)),
    element(
      "ul",
      { className: "legend" },
      ...chart.legend.map(({ glyph, colour, label }) => {
        const mark = element("span", { className: glyph ? "" : "swatch", textContent: glyph });
        mark.setAttribute("aria-hidden", "true");
        mark.style.setProperty(glyph ? "color" : "background", colour);
        return element("li", {}, mark, " ", data(label));
      }),
    ),
    element(
      "div",
      { className: "panels" },
      ...chart.panels.map(({ label, svg }) => {
        const source = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ');
        const drawn = document.importNode(parser.parseFromString(source, "image/svg+xml").documentElement, true);
        drawn.setAttribute("role", "img");
        drawn.setAttribute("aria-label", [chart.title, label, chart.summary].filter(Boolean).join(". "));
        return element("div", { className: "panel" }, label ? element("h3", {}, data(label)) : null, drawn);
      }),
    ),
  );
}
