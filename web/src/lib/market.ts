import { renew, session } from "@/api/session"

/** Number, time (ms), price, quantity, and which side took. */
export type Trade = readonly [number, number, number, number, "buy" | "sell"]
export type Level = readonly [price: number, quantity: number]
type About = { venue: string; feed: string; at: number; distrust: string | null }
export type Tick = About & { type: "tick"; id: number; price: number; trades: readonly Trade[] }
export type Book = About & {
  type: "book"
  right: boolean
  why: string | null
  bids: readonly Level[]
  asks: readonly Level[]
}
export type Funding = About & { type: "funding"; mark: string; index: string; rate: string; next: number }
export type Bar = { type: "bar"; ts: number; interval: number; close: number; volume: number }
type Gone = { type: "gone"; key: string }
type News = Tick | Book | Funding | Bar | Gone
type Message = { type: string; data?: News; items?: News[] }

/** What is known of an instrument now. `live` once a first answer came over a socket that is open. */
export type Market = {
  live: boolean
  /** Why it cannot be: what the server said of an instrument that it does not know. */
  refused?: string
  tick?: Tick
  book?: Book
  funding?: Funding
  bar?: Bar
}

/** Milliseconds between two pictures: a book changes more often than anybody reads. */
const PACE = 200
const WAITS = { first: 500, longest: 30_000 }
/** Milliseconds after which a socket that said nothing is taken for dead: it has a heartbeat every 15 s. */
const SILENCE = 40_000
const UNKNOWN = 4404

/** What is known after a message: each value is whole, and what is gone is known no more. */
export function after(known: Market, message: Message): Market {
  if (message.type === "snapshot") return (message.items ?? []).reduce(taken, { live: true })
  return message.type === "update" && message.data ? taken(known, message.data) : known
}

const taken = (known: Market, news: News): Market =>
  news.type === "gone"
    ? { ...known, [news.key.split(":")[1] ?? ""]: undefined }
    : { ...known, [news.type]: news }

/** Have `show` told what is known of an instrument, a few times a second at most; until what is returned is called. */
export function follow(symbol: string, venue: string, show: (known: Market) => void): () => void {
  let known: Market = { live: false }
  let socket: WebSocket | null = null
  let token = ""
  let failed = 0
  let painting: ReturnType<typeof setTimeout> | undefined
  let again: ReturnType<typeof setTimeout> | undefined
  let silent: ReturnType<typeof setTimeout> | undefined
  let over = false

  const paint = () => {
    painting ??= setTimeout(() => {
      painting = undefined
      show(known)
    }, PACE)
  }
  const hear = () => {
    clearTimeout(silent)
    silent = setTimeout(() => socket?.close(), SILENCE)
  }
  const connect = () => {
    token = session()?.accessToken ?? ""
    const query = venue ? `?venue=${encodeURIComponent(venue)}` : ""
    const mine = new WebSocket(
      `${location.origin.replace(/^http/, "ws")}/ws/market/${encodeURIComponent(symbol)}${query}`,
      ["commenda", `bearer.${token}`],
    )
    socket = mine
    hear()
    mine.onmessage = ({ data }) => {
      hear()
      const message = JSON.parse(String(data)) as Message
      const newest = session()?.accessToken
      if (message.type === "heartbeat" && newest && newest !== token)
        mine.send(JSON.stringify({ type: "auth", token: (token = newest) }))
      if (message.type === "snapshot") failed = 0
      const next = after(known, message)
      if (next !== known) paint()
      known = next
    }
    mine.onclose = ({ code, reason }) => {
      clearTimeout(silent)
      if (over) return
      failed += 1
      known = code === UNKNOWN ? { live: false, refused: reason } : { ...known, live: false }
      paint()
      if (code === UNKNOWN) return
      const longest = Math.min(WAITS.longest, WAITS.first * 2 ** (failed - 1))
      again = setTimeout(() => void retry(code), longest * (0.5 + Math.random() / 2))
    }
  }
  const retry = async (code: number) => {
    if (code === 4401 || code === 4403) await renew().catch(() => false)
    if (!over) connect()
  }

  connect()
  return () => {
    over = true
    for (const timer of [painting, again, silent]) clearTimeout(timer)
    socket?.close()
  }
}
