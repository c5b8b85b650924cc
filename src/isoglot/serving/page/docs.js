// The API page, which shows the OpenAPI document.

import { byId, element, notice } from "./dom.js";
import { get } from "./http.js";

let drawn = false;

export async function showApi() {
  if (drawn) return;
  const section = byId("api");
  const title = element("h1", {}, "API");
  try {
    const openapi = await get("/openapi.json");
    section.replaceChildren(
      title,
      element("p", {}, openapi.info.summary, " ", "The OpenAPI document is ", element("code", {}, "/openapi.json"), "."),
      element("pre", { tabIndex: 0, ariaLabel: "Example" }, example()),
      ...Object.entries(openapi.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, details]) => operation(openapi, path, method, details))),
    );
    drawn = true;
  } catch (error) {
    section.replaceChildren(title, notice(error.title ?? "Something went wrong", error.message));
  }
}

const example = () => `curl ${location.origin}/v1/search -H 'Content-Type: application/json' \\\n  -d '{"question": "Where do I renew a passport?", "k": 5}'`;

const resolve = (openapi, schema) => (schema?.$ref ? openapi.components.schemas[schema.$ref.split("/").at(-1)] : schema);

function operation(openapi, path, method, details) {
  const body = resolve(openapi, details.requestBody?.content?.["application/json"]?.schema);
  const response = resolve(openapi, details.responses["200"]?.content?.["application/json"]?.schema);
  return element(
    "details",
    { className: "operation", open: path === "/v1/search" },
    element("summary", {}, element("b", { className: "method" }, method.toUpperCase()), " ", element("code", {}, path), " ", element("span", { className: "quiet" }, details.description ?? details.summary ?? "")),
    body ? fields(openapi, "Request", body) : null,
    response ? fields(openapi, "Response", response) : null,
  );
}

function fields(openapi, heading, schema) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => element("tr", {}, element("th", { scope: "row" }, element("code", {}, name), schema.required?.includes(name) && heading === "Request" ? " (required)" : ""), element("td", {}, typeOf(openapi, field)), element("td", {}, field.description ?? "")));
  return element("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: heading }, element("table", {}, element("caption", {}, heading), element("thead", {}, element("tr", {}, ...["Field", "Type", "Description"].map((text) => element("th", { scope: "col" }, text)))), element("tbody", {}, ...rows)));
}

function typeOf(openapi, field) {
  if (field.anyOf) return field.anyOf.map((member) => typeOf(openapi, member)).join(" or ");
  if (field.$ref) return field.$ref.split("/").at(-1);
  if (field.const) return JSON.stringify(field.const);
  if (field.enum) return field.enum.length > 8 ? `one of ${field.enum.length}, such as ${JSON.stringify(field.enum[0])}` : field.enum.map((value) => JSON.stringify(value)).join(", ");
  if (field.type === "array") return `list of ${typeOf(openapi, field.items)}`;
  const bounds = [field.minimum, field.maximum].every((bound) => bound !== undefined) ? ` ${field.minimum} to ${field.maximum}` : field.maxLength ? `, at most ${field.maxLength.toLocaleString("en")} characters` : "";
  return `${field.type === "null" ? "nothing" : field.type}${bounds}`;
}
