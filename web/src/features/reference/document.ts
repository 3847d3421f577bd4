/** What `/openapi.json` says, as far as the reader reads it. */
export type Schema = {
  $ref?: string
  type?: string | string[]
  format?: string
  description?: string
  properties?: Record<string, Schema>
  additionalProperties?: boolean | Schema
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  enum?: unknown[]
  const?: unknown
  default?: unknown
  examples?: unknown[]
  example?: unknown
} & Partial<Record<(typeof LIMITS)[number], number | string>>
export type Parameter = {
  name: string
  in: string
  required?: boolean
  description?: string
  schema?: Schema
}
type Content = Record<string, { schema?: Schema }>
export type Operation = {
  operationId: string
  method: string
  path: string
  summary?: string
  description?: string
  tags?: string[]
  parameters?: Parameter[]
  requestBody?: { content: Content; required?: boolean }
  responses: Record<string, { description?: string; content?: Content }>
  security?: Record<string, string[]>[]
}
export type Document = {
  openapi: string
  info: { version: string; summary?: string }
  paths: Record<string, Record<string, Omit<Operation, "method" | "path">>>
  components: { schemas: Record<string, Schema> }
}

const LIMITS = [
  "minimum",
  "exclusiveMinimum",
  "maximum",
  "exclusiveMaximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "pattern",
] as const
const DEEP = 5

export const operations = (document: Document): Operation[] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({ ...one, path, method: method.toUpperCase() })),
  )

export const groupOf = (operation: Operation) => operation.tags?.[0] ?? "other"

/** The permissions any one of which will do. */
export const permissionsOf = ({ security = [] }: Operation) => [
  ...new Set(security.flatMap((one) => Object.values(one).flat())),
]

/** Where a word stands: in its address, its text, its permission, or one of its fields. */
export function haystack(document: Document, operation: Operation): string {
  const body = schemaOf(operation.requestBody?.content)
  const answers = Object.values(operation.responses).map((one) => schemaOf(one.content))
  const fields = [body, ...answers].flatMap((one) =>
    one ? Object.keys(objectIn(document, one).properties ?? {}) : [],
  )
  const parameters = (operation.parameters ?? []).map((one) => one.name)
  const { method, path, operationId, summary, description } = operation
  return [method, path, operationId, summary, description, permissionsOf(operation), fields, parameters]
    .flat()
    .join(" ")
    .toLowerCase()
}

export const schemaOf = (content: Content | undefined) => Object.values(content ?? {})[0]?.schema

const resolve = (document: Document, schema: Schema): Schema =>
  (schema.$ref && document.components.schemas[schema.$ref.split("/").at(-1)!]) || schema

const choices = (schema: Schema) => schema.anyOf ?? schema.oneOf ?? schema.allOf

export function typeOf(schema: Schema): string {
  if (schema.$ref) return schema.$ref.split("/").at(-1)!
  const options = choices(schema)
  if (options) return [...new Set(options.map(typeOf))].join(" | ")
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ")
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.type === "array") return `${typeOf(schema.items ?? {})}[]`
  const type = [schema.type ?? "any"].flat().join(" | ") + (schema.format ? ` (${schema.format})` : "")
  const limits = LIMITS.filter((name) => schema[name] !== undefined).map((name) => `${name} ${schema[name]}`)
  return [type, ...limits].join(", ")
}

/** The object that a schema is about, through lists and alternatives with null. */
export function objectIn(document: Document, schema: Schema, deep = 0): Schema {
  const found = resolve(document, schema)
  if (found.properties || deep > DEEP) return found
  const inside = [...(choices(found) ?? []), ...(found.items ? [found.items] : [])]
  return (
    inside.map((one) => objectIn(document, one, deep + 1)).find((one) => one.properties) ??
    (found.enum ? { ...found, properties: undefined } : found)
  )
}

/** An instance of a schema. A body to send has what is required; an answer has all of it. */
export function sample(document: Document, schema: Schema, whole: boolean, deep = 0): unknown {
  const given = (one: Schema) => one.examples?.[0] ?? one.example ?? one.default ?? one.enum?.[0] ?? one.const
  const found = resolve(document, schema)
  const said = given(schema) ?? given(found)
  if (said !== undefined && said !== null) return said
  const option = choices(found)?.find((one) => one.type !== "null")
  if (option) return sample(document, option, whole, deep)
  if (found.properties)
    return deep > DEEP
      ? {}
      : Object.fromEntries(
          Object.entries(found.properties)
            .filter(([name]) => whole || found.required?.includes(name))
            .map(([name, one]) => [name, sample(document, one, whole, deep + 1)]),
        )
  if (found.type === "array") return deep > DEEP ? [] : [sample(document, found.items ?? {}, whole, deep + 1)]
  if (found.type === "string") return OF_FORMAT[found.format ?? ""] ?? "…"
  if (found.type === "integer" || found.type === "number") return Number(found.minimum ?? 1)
  if (found.type === "boolean") return true
  return found.type === "object" ? {} : null
}

const OF_FORMAT: Record<string, string> = {
  uuid: "6f1c0e52-8c1e-4d8a-9b1f-0a2b3c4d5e6f",
  date: "2026-01-05",
  "date-time": "2026-01-05T14:15:00Z",
}

/** A call as it is typed into a shell: with what it must have, and nothing else. */
export function curl(document: Document, operation: Operation, origin: string): string {
  const { method, path, parameters = [], requestBody } = operation
  const instance = (one: Parameter) => String(sample(document, one.schema ?? { type: "string" }, false))
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const parameter = parameters.find((one) => one.in === "path" && one.name === name)
    return parameter ? encodeURIComponent(instance(parameter)) : name
  })
  const asked = parameters
    .filter((one) => one.in === "query" && one.required)
    .map((one) => `${one.name}=${encodeURIComponent(instance(one))}`)
  const lines = [
    `curl${method === "GET" ? "" : ` -X ${method}`} '${origin}${filled}${asked.length ? `?${asked.join("&")}` : ""}'`,
  ]
  if (permissionsOf(operation).length) lines.push(`-H "Authorization: Bearer $TOKEN"`)
  for (const one of parameters.filter((each) => each.in === "header"))
    if (one.name === "Idempotency-Key") lines.push(`-H "Idempotency-Key: $(uuidgen)"`)
    else if (one.name === "X-Proof") lines.push(`-H "X-Proof: $PROOF"`)
  const body = schemaOf(requestBody?.content)
  if (body) {
    const text = JSON.stringify(sample(document, body, false)).replaceAll("'", `'\\''`)
    lines.push(`-H "Content-Type: application/json"`, `-d '${text}'`)
  }
  return lines.join(" \\\n  ")
}
