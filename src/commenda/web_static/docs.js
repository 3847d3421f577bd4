// A reader of /openapi.json that needs no other host: operations by tag, with their schemas.

import { h, table } from "/static/page.js";
import { applyPreferences } from "/static/texts.js";

const DEPTH = 4;
const METHODS = ["get", "post", "put", "patch", "delete"];

applyPreferences();
document.documentElement.lang = "en";
const main = document.getElementById("main");
const answer = await fetch("/openapi.json").catch(() => null);
if (!answer?.ok) main.replaceChildren(h("p", { class: "empty" }, "The API's document could not be read."));
else show(await answer.json());

function show(api) {
  document.getElementById("version").textContent = `${api.info.version} · OpenAPI ${api.openapi}`;
  const tags = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((one) => methods[one])) {
      const tag = methods[method].tags?.[0] ?? "other";
      tags.set(tag, [...(tags.get(tag) ?? []), operation(api, method, path, methods[method])]);
    }
  }
  document.getElementById("tags").replaceChildren(...[...tags.keys()].map((tag) => h("a", { href: `#tag-${tag}` }, tag)));
  main.replaceChildren(
    h("p", { class: "prose" }, api.info.summary ?? ""),
    ...[...tags].map(([tag, operations]) => h("section", {}, h("h2", { class: "tag", id: `tag-${tag}` }, tag), operations)),
  );
  document.getElementById("find").addEventListener("input", ({ target }) => find(target.value.trim().toLowerCase()));
  const wanted = location.hash && document.getElementById(location.hash.slice(1));
  if (wanted) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
}

function find(text) {
  for (const section of main.querySelectorAll("section")) {
    let any = false;
    for (const one of section.querySelectorAll(".operation")) {
      one.hidden = text !== "" && !one.dataset.text.includes(text);
      any ||= !one.hidden;
    }
    section.hidden = !any;
  }
}

function operation(api, method, path, one) {
  const parameters = one.parameters ?? [];
  const body = one.requestBody?.content?.["application/json"]?.schema;
  const details = h("details", { class: "operation", id: one.operationId ?? "", "data-text": `${method} ${path} ${JSON.stringify(one)}`.toLowerCase() },
    h("summary", {}, h("span", { class: "method" }, method.toUpperCase()), h("span", { class: "path" }, path), h("span", { class: "label" }, (one.description ?? one.summary ?? "").split(/\n\n|(?<=\.) /)[0])));
  // Filled when it is first opened: a hundred operations are a lot of tables.
  details.addEventListener("toggle", () => {
    if (details.children.length > 1) return;
    details.append(h("div", {},
      h("p", { class: "prose" }, one.description ?? ""),
      parameters.length ? [h("h3", {}, "Parameters"), table([
        ["Name", (row) => h("code", { class: row.required && "required" }, row.name)],
        ["In", (row) => row.in],
        ["Type", (row) => h("span", { class: "type" }, typeOf(api, row.schema ?? {}))],
        ["", (row) => row.description ?? row.schema?.description ?? ""],
      ], parameters)] : null,
      body ? [h("h3", {}, `Body: ${typeOf(api, body)}`), fields(api, body)] : null,
      h("h3", {}, "Example"), h("pre", {}, curl(api, method, path, parameters, body)),
      h("h3", {}, "Answers"),
      Object.entries(one.responses).map(([status, response]) => answerOf(api, status, response))));
  });
  return details;
}

function answerOf(api, status, response) {
  const [kind, content] = Object.entries(response.content ?? {})[0] ?? [];
  const schema = content?.schema;
  const title = `${status} ${response.description ?? ""}${schema ? ` — ${typeOf(api, schema)}` : ""}`;
  if (!schema || Number(status) >= 400) return h("p", { class: "prose label" }, `${title}${kind?.includes("problem") ? " (application/problem+json)" : ""}`);
  return h("div", {}, h("p", { class: "prose" }, title), fields(api, schema));
}

const resolve = (api, schema) => (schema?.$ref ? schema.$ref.slice(2).split("/").reduce((place, part) => place?.[part], api) : schema) ?? {};
const choices = (schema) => schema.anyOf ?? schema.oneOf ?? schema.allOf;

function typeOf(api, schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  const options = choices(schema);
  if (options) return [...new Set(options.map((one) => typeOf(api, one)))].join(" | ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `${typeOf(api, schema.items ?? {})}[]`;
  const limits = ["minimum", "maximum", "minLength", "maxLength", "pattern"].filter((name) => schema[name] !== undefined).map((name) => `${name} ${schema[name]}`);
  const type = [].concat(schema.type ?? "any").join(" | ") + (schema.format ? ` (${schema.format})` : "");
  return limits.length ? `${type}, ${limits.join(", ")}` : type;
}

// The object that a schema is about, through lists and alternatives with null.
function objectIn(api, schema, deep = 0) {
  const found = resolve(api, schema);
  if (found.properties || deep > DEPTH) return found;
  if (found.type === "array") return objectIn(api, found.items, deep + 1);
  for (const option of choices(found) ?? []) {
    const inner = objectIn(api, option, deep + 1);
    if (inner.properties) return inner;
  }
  return found;
}

function fields(api, schema, deep = 0) {
  const { properties, required = [] } = objectIn(api, schema);
  if (!properties || deep > DEPTH) return null;
  return table([
    ["Field", ([name]) => h("code", { class: required.includes(name) && "required" }, name)],
    ["Type", ([, one]) => h("span", { class: "type" }, typeOf(api, one))],
    ["", ([, one]) => {
      const example = one.examples?.[0] ?? one.example;
      const inner = objectIn(api, one).properties ? h("details", {}, h("summary", {}, "fields")) : null;
      inner?.addEventListener("toggle", () => inner.children.length > 1 || inner.append(fields(api, one, deep + 1) ?? ""));
      return h("span", {}, one.description ?? "", example === undefined || example === null ? "" : h("span", { class: "type" }, ` e.g. ${JSON.stringify(example)}`), inner);
    }],
  ], Object.entries(properties));
}

function sample(api, schema, deep = 0) {
  const found = resolve(api, schema);
  const given = found.examples?.[0] ?? found.example ?? found.default ?? found.enum?.[0] ?? found.const;
  if (given !== undefined && given !== null) return given;
  const options = choices(found)?.filter((one) => one.type !== "null");
  if (options?.length) return sample(api, options[0], deep);
  if (found.properties && deep < DEPTH) {
    return Object.fromEntries(Object.entries(found.properties).filter(([name]) => found.required?.includes(name)).map(([name, one]) => [name, sample(api, one, deep + 1)]));
  }
  if (found.type === "array") return [sample(api, found.items ?? {}, deep + 1)];
  return { string: found.format === "uuid" ? "6f1c0e52-0000-4000-8000-000000000000" : "…", integer: found.minimum ?? 1, number: 1, boolean: true }[found.type] ?? null;
}

function curl(api, method, path, parameters, body) {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => sample(api, parameters.find((one) => one.name === name)?.schema ?? { type: "string" }));
  const lines = [`curl${method === "get" ? "" : ` -X ${method.toUpperCase()}`} ${location.origin}${filled}`, "-H 'Authorization: Bearer <access token>'"];
  if (parameters.some((one) => one.name === "Idempotency-Key")) lines.push("-H 'Idempotency-Key: <one for each intention>'");
  if (body) lines.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(sample(api, body))}'`);
  return lines.join(" \\\n  ");
}
