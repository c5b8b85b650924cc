// The API page: the OpenAPI document, readable.

import { byId, element, notice } from "./dom.js";
import { get } from "./http.js";

let drawn = false;

export async function showApi() {
  if (drawn) return;
  const section = byId("api");
  const title = element("h1", {}, "API");
  try {
    const found = await get("/openapi.json");
    section.replaceChildren(
      title,
      element("p", {}, found.info.summary, " ", element("a", { href: "/openapi.json" }, "The OpenAPI document"), "."),
      element("pre", { tabIndex: 0, ariaLabel: "Example" }, example()),
      ...Object.entries(found.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, about]) => operation(found, path, method, about))),
    );
    drawn = true;
  } catch (error) {
    section.replaceChildren(title, notice(error.title ?? "Something went wrong", error.message));
  }
}

const example = () => `curl ${location.origin}/v1/search -H 'Content-Type: application/json' \\\n  -d '{"question": "Where do I renew a passport?", "k": 5}'`;

const resolve = (found, schema) => (schema?.$ref ? found.components.schemas[schema.$ref.split("/").at(-1)] : schema);

function operation(found, path, method, about) {
  const body = resolve(found, about.requestBody?.content?.["application/json"]?.schema);
  const answer = resolve(found, about.responses["200"]?.content?.["application/json"]?.schema);
  return element(
    "details",
    { className: "operation", open: path === "/v1/search" },
    element("summary", {}, element("b", { className: "method" }, method.toUpperCase()), " ", element("code", {}, path), " ", element("span", { className: "quiet" }, about.description ?? about.summary ?? "")),
    body ? fields(found, "Asked", body) : null,
    answer ? fields(found, "Answered", answer) : null,
  );
}

function fields(found, heading, schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => element("tr", {}, element("th", { scope: "row" }, element("code", {}, name), schema.required?.includes(name) && heading === "Asked" ? " (needed)" : ""), element("td", {}, typeOf(found, field)), element("td", {}, field.description ?? "")));
  return element("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: heading }, element("table", {}, element("caption", {}, heading), element("thead", {}, element("tr", {}, ...["Field", "Type", "What it is"].map((text) => element("th", { scope: "col" }, text)))), element("tbody", {}, ...rows)));
}

function typeOf(found, field) {
  if (field.anyOf) return field.anyOf.map((one) => typeOf(found, one)).join(" or ");
  if (field.$ref) return field.$ref.split("/").at(-1);
  if (field.const) return JSON.stringify(field.const);
  if (field.enum) return field.enum.length > 8 ? "a language tag" : field.enum.map((value) => JSON.stringify(value)).join(", ");
  if (field.type === "array") return `list of ${typeOf(found, field.items)}`;
  const bounds = [field.minimum, field.maximum].every((bound) => bound !== undefined) ? ` ${field.minimum} to ${field.maximum}` : field.maxLength ? `, at most ${field.maxLength.toLocaleString("en")} characters` : "";
  return `${field.type === "null" ? "nothing" : field.type}${bounds}`;
}
