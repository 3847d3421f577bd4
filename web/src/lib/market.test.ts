import { expect, test } from "vitest"
import { after, type Book, type Market } from "./market"

const about = { venue: "simulated", feed: "feed", at: 5, distrust: null }
const book = (right: boolean): Book => ({
  ...about,
  type: "book",
  right,
  why: right ? null : "broken",
  bids: [[10, 1]],
  asks: [[11, 2]],
})
const bar = { type: "bar", ts: 60, interval: 60, close: 10, volume: 3 } as const

test("each value takes the place of the one before it, and what is gone is known no more", () => {
  const first = after({ live: false }, { type: "snapshot", items: [bar, { ...bar, ts: 120 }, book(true)] })
  expect(first).toEqual({ live: true, bar: { ...bar, ts: 120 }, book: book(true) })
  const stale = after(first, { type: "update", data: book(false) })
  expect(stale.book?.right).toBe(false)
  expect(stale.bar?.ts).toBe(120)
  const gone = after(stale, { type: "update", data: { type: "gone", key: "md:book:BTCUSDT" } })
  expect(gone.book).toBeUndefined()
  expect(gone.bar?.ts).toBe(120)
})

test("a snapshot after a gap begins anew, and a heartbeat changes nothing", () => {
  const known: Market = { live: true, book: book(true) }
  expect(after(known, { type: "heartbeat" })).toBe(known)
  expect(after(known, { type: "gap" })).toBe(known)
  expect(after(known, { type: "snapshot", items: [] })).toEqual({ live: true })
})
