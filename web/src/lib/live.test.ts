import { expect, test } from "vitest"
import { concerns } from "./live"

const path = (name: string) => ["get", `/api/v1${name}`, {}]

test("a topic concerns what shows it, and nothing beside it", () => {
  expect(concerns("wallet", path("/wallet/balances"))).toBe(true)
  expect(concerns("wallet", ["asset-log", "deposit"])).toBe(true)
  expect(concerns("wallet", path("/approvals"))).toBe(false)
  expect(concerns("users", path("/users/{user_id}"))).toBe(true)
  expect(concerns("users", path("/users-of-another-kind"))).toBe(false)
  expect(concerns("work", ["trials", "an id"])).toBe(true)
  expect(concerns("a topic of a newer server", path("/wallet/balances"))).toBe(false)
})
