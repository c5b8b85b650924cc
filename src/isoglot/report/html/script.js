"use strict";
const root = document.documentElement;

const requested = new URLSearchParams(location.search).get("theme");
if (requested === "dark" || requested === "light") root.style.colorScheme = requested;
const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const dark = root.style.colorScheme
    ? root.style.colorScheme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.style.colorScheme = dark ? "light" : "dark";
});

for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const compare = (row, otherRow) => {
        const [text, otherText] = [row, otherRow].map((each) => each.cells[column].textContent);
        const [value, otherValue] = [parseFloat(text), parseFloat(otherText)];
        // A cell without a number comes last in both directions.
        if (Number.isNaN(value) !== Number.isNaN(otherValue)) return Number.isNaN(value) ? 1 : -1;
        const order = Number.isNaN(value) ? text.localeCompare(otherText) : value - otherValue;
        return descending ? -order : order;
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}

const filter = document.getElementById("filter");
document.getElementById("filter-label").hidden = false;
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/);
  for (const row of document.querySelectorAll("#all tbody tr")) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  document.querySelector("details.table").open = true;
});

const csv = document.getElementById("csv");
csv.hidden = false;
csv.addEventListener("click", () => {
  const { columns, audits, cells } = JSON.parse(document.getElementById("measures").textContent);
  const rows = cells.flatMap(([scenario, pool, queryLanguage, entries]) =>
    entries.map(([language, measure, audit, ...numbers]) => {
      const values = [scenario, pool, queryLanguage, language, measure, audits[audit], ...numbers];
      return columns.map((_, index) => values[index]);
    }));
  const cell = (value) => {
    if (typeof value === "number") return String(value);
    // A spreadsheet would run a text that begins like a formula.
    const text = String(value ?? "").replace(/^[=+\-@\t\r]/, "'$&");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns, ...rows].map((row) => row.map(cell).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff" + lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
  link.download = "isoglot-measures.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not(.table)")) part.open = true;
});
