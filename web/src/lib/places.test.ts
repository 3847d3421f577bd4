import { expect, test } from "vitest"
import type { Schemas } from "@/api/client"
import type { Permission } from "@/api/session"
import { PAGES } from "@/app/pages"
import { placeOf } from "./places"

const KINDS: Record<Schemas["Found"]["kind"], Permission | null> = {
  subscription: "subscribe",
  copy: "copy",
  flow: "flows",
  signal: "flows",
  order: null,
  approval: "approvals",
  user: "users",
  holding: "income",
  product: "overview",
  pool: "overview",
  funding: null,
  backtest: "share",
  study: "share",
  proof: "ledger",
  schedule: "overview",
  journal: "ledger",
  account: "ledger",
  strategy: "share",
}
const found = (kind: Schemas["Found"]["kind"]) => ({
  kind,
  id: "one",
  title: "One",
  state: null,
  correlationId: null,
  at: null,
})

test.each(Object.entries(KINDS) as [Schemas["Found"]["kind"], Permission | null][])(
  "a %s is looked at on a page that whoever may open it has",
  (kind, needs) => {
    expect(placeOf(found(kind), [])).toBeUndefined()
    const place = needs && placeOf(found(kind), [needs])
    if (!needs) return expect(placeOf(found(kind), ["audit", "overview"])).toBeUndefined()
    const page = PAGES.find(({ path }) => path === place![1] || path.replace("$id", "one") === place![1])
    expect([page?.needs].flat()).toContain(needs)
  },
)

test("what two pages show is opened on the one that the reader may open", () => {
  expect(placeOf(found("subscription"), ["subscribe"])![1]).toBe("/holdings/one")
  expect(placeOf(found("subscription"), ["overview"])![1]).toBe("/subscriptions/one")
  expect(placeOf(found("user"), ["ledger"])!.slice(1)).toEqual(["/accounts", { owner: "One" }])
})
