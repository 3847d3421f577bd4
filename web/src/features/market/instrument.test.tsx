import { act, createElement } from "react"
import { createRoot, type Root } from "react-dom/client"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import type { Book } from "@/lib/market"
import { Followed } from "./instrument"

vi.hoisted(() => Object.assign(globalThis, { matchMedia: () => ({ matches: false }) }))
Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })

class Socket {
  static last: Socket
  onmessage?: (event: { data: string }) => void
  onclose?: (event: { code: number; reason: string }) => void
  closed = false
  constructor(readonly url: string) {
    Socket.last = this
  }
  close() {
    this.closed = true
  }
  tell(message: object) {
    this.onmessage?.({ data: JSON.stringify(message) })
  }
}

const book: Book = {
  type: "book",
  venue: "simulated",
  feed: "feed",
  at: 1_700_000_000_000,
  distrust: null,
  right: true,
  why: null,
  bids: [
    [99.5, 2],
    [99, 1.25],
  ],
  asks: [[100, 3]],
}
let page: HTMLElement
let root: Root
const standing = () => page.querySelector("[role=status]")!.textContent
const later = (milliseconds: number) => act(() => vi.advanceTimersByTime(milliseconds))

beforeEach(async () => {
  vi.useFakeTimers()
  vi.stubGlobal("WebSocket", Socket)
  page = document.body.appendChild(document.createElement("div"))
  root = createRoot(page)
  await act(() =>
    root.render(createElement(Followed, { symbol: "BTCUSDT", venue: "simulated", paused: false })),
  )
})
afterEach(async () => {
  await act(() => root.unmount())
  expect(Socket.last.closed).toBe(true)
  vi.useRealTimers()
})

test("a book is drawn best first, a few times a second, and marked where it is stale", async () => {
  expect(Socket.last.url).toContain("/ws/market/BTCUSDT?venue=simulated")
  Socket.last.tell({ type: "snapshot", items: [book] })
  await later(200)
  const rows = [...page.querySelectorAll("tbody tr")].map((row) =>
    [...row.querySelectorAll("td")].map((cell) => cell.textContent),
  )
  expect(rows).toEqual([
    ["2.00", "99.5", "100.0", "3.00"],
    ["1.25", "99.0", "", ""],
  ])
  expect(standing()).toContain("market.feed_live")
  let drawn = 0
  const watching = new MutationObserver(() => (drawn += 1))
  watching.observe(page, { subtree: true, childList: true, characterData: true, attributes: true })
  for (let n = 1; n <= 100; n++) {
    Socket.last.tell({ type: "update", data: { ...book, bids: [[99.5, n]] } })
    await later(10)
  }
  expect(page.querySelector("tbody td")!.textContent).toBe("100")
  expect(drawn).toBeLessThanOrEqual(6) // a second of a hundred books
  watching.disconnect()
  Socket.last.tell({ type: "update", data: { ...book, right: false, why: "3 to 4 follows 2, not 1" } })
  await later(200)
  expect(standing()).toContain("markets.stale")
  expect(standing()).toContain("3 to 4 follows 2, not 1")
})

test("what is gone is not shown, and a socket that is lost is opened again", async () => {
  Socket.last.tell({ type: "snapshot", items: [book] })
  Socket.last.tell({ type: "update", data: { type: "gone", key: "md:book:BTCUSDT" } })
  await later(200)
  expect(page.querySelector("tbody")).toBeNull()
  expect(standing()).toContain("markets.noFeed")
  const first = Socket.last
  first.onclose?.({ code: 1006, reason: "" })
  await later(200)
  expect(standing()).toContain("markets.reconnecting")
  await later(600)
  expect(Socket.last).not.toBe(first)
  Socket.last.onclose?.({ code: 4404, reason: "No such symbol" })
  Socket.last.closed = true
  await later(200)
  expect(page.textContent).toContain("markets.unknown")
})
