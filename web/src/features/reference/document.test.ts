import { expect, test } from "vitest"
import { curl, operations, permissionsOf, sample, typeOf, type Document } from "./document"

const document: Document = {
  openapi: "3.1.0",
  info: { version: "1" },
  components: {
    schemas: {
      Order: {
        type: "object",
        required: ["amount", "legs"],
        properties: {
          amount: { type: "string", examples: ["12.50"] },
          legs: { type: "array", items: { $ref: "#/components/schemas/Leg" } },
          note: { anyOf: [{ type: "string", maxLength: 9 }, { type: "null" }] },
        },
      },
      // A leg of legs: what refers to itself ends.
      Leg: {
        type: "object",
        required: ["side", "legs"],
        properties: {
          side: { enum: ["buy", "it's"] },
          legs: { type: "array", items: { $ref: "#/components/schemas/Leg" } },
        },
      },
    },
  },
  paths: {
    "/books/{id}": {
      post: {
        operationId: "order",
        parameters: [
          { name: "id", in: "path", required: true, schema: { type: "string", examples: ["a/b"] } },
          { name: "page", in: "query", schema: { type: "integer" } },
          { name: "Idempotency-Key", in: "header", schema: { type: "string" } },
        ],
        requestBody: { content: { "application/json": { schema: { $ref: "#/components/schemas/Order" } } } },
        responses: {},
        security: [{ session: ["fund"] }, { key: ["fund"] }, { session: ["settle"] }],
      },
    },
  },
}
const [order] = operations(document)

test("a call has what it must have, ready for a shell", () => {
  const call = curl({ ...document }, order!, "http://here")
  expect(call).toContain("curl -X POST 'http://here/books/a%2Fb'")
  expect(call).toContain(`-H "Authorization: Bearer $TOKEN"`)
  expect(call).toContain(`-H "Idempotency-Key: $(uuidgen)"`)
  expect(call).toContain(`-d '{"amount":"12.50"`)
  expect(call).not.toContain("note")
})

test("permissions are named once, and types as a reader says them", () => {
  expect(permissionsOf(order!)).toEqual(["fund", "settle"])
  const { Order, Leg } = document.components.schemas
  expect(typeOf(Order!.properties!.legs!)).toBe("Leg[]")
  expect(typeOf(Order!.properties!.note!)).toBe("string, maxLength 9 | null")
  expect(typeOf(Leg!.properties!.side!)).toBe(`"buy" | "it's"`)
})

test("an example of what refers to itself ends", () => {
  const made = JSON.stringify(sample(document, { $ref: "#/components/schemas/Order" }, true))
  expect(made.length).toBeLessThan(1000)
  expect(made).toContain('"note":"…"')
})
