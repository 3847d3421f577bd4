import { useSyncExternalStore } from "react"
import { polling, queries, type Schemas } from "@/api/client"
import { renew, session, watchSession } from "@/api/session"

/** How news reaches this tab: pushed; about to be again; or asked for now and then, since no socket opens. */
export type Liveness = "live" | "reconnecting" | "polling"

/**
 * What is asked for again when a topic has news: lists by the first part of their key, everything else by how its path
 * begins. Whatever stands nowhere here is asked for at the slow pace that is kept beside the socket.
 */
const TOPICS: Record<string, readonly string[]> = {
  wallet: ["/wallet", "/participation", "asset-log"],
  funding: ["/participation/funding", "/wallet", "asset-log"],
  subscriptions: ["/managed-subscriptions", "/wallet/earnings", "managed", "subscriptions", "settlement"],
  copies: ["/co-trading/subscriptions", "/co-trading/flows", "/wallet/earnings"],
  signals: ["/co-trading/signals", "/co-trading/executions"],
  holdings: ["/pools/holdings", "/wallet/earnings", "pools"],
  products: ["/managed/products", "/managed/return-matrix", "/pools/products", "pool-products"],
  referrals: ["/referrals", "commissions"],
  approvals: ["/approvals", "approvals"],
  alerts: ["/alerts", "/operations/overview", "alerts"],
  schedules: ["/schedules", "schedules", "schedule-runs"],
  books: ["/ledger", "/bank", "holds", "bank-entries"],
  notices: ["/auth/notices", "/audit", "trail"],
  users: ["/users", "/auth/me", "users"],
  strategies: ["/strategies"],
  market: ["/market"],
  work: ["/work", "/backtests", "/optimizer", "backtests", "studies", "trials"],
  // A bar has closed: what books are worth is another figure.
  values: [
    "/operations/overview",
    "/managed-subscriptions",
    "/co-trading",
    "/wallet/earnings",
    "/portfolio",
    "/market/candles",
    "managed",
  ],
}
const SELDOM: Record<string, number> = { values: 15_000 }
/** Milliseconds in which the news of a topic are gathered, so that what moves often is asked for now and then. */
const GATHERED = 200
const ALONE = 15_000
const BESIDE = 60_000
/** Milliseconds after which a socket that said nothing is taken for dead: it has a heartbeat every 15 s. */
const SILENCE = 40_000
const WAITS = { first: 500, longest: 30_000 }
/** Attempts in vain, or milliseconds away, until it is said that figures are asked for instead. */
const IN_VAIN = 3

let state: Liveness = "reconnecting"
const listeners = new Set<() => void>()
let socket: WebSocket | null = null
let token = ""
let failed = 0
let missed = false
let again: ReturnType<typeof setTimeout> | undefined
let silent: ReturnType<typeof setTimeout> | undefined
const waiting = new Map<string, ReturnType<typeof setTimeout>>()
const told = new Map<string, number>()

export const useLiveness = () =>
  useSyncExternalStore(
    (notify) => (listeners.add(notify), () => listeners.delete(notify)),
    () => state,
  )

/** Keep a socket open for whoever is signed in, from now on; and none for nobody. */
export function goLive() {
  watchSession(follow)
  addEventListener("online", () => (failed = 0) || connect())
  addEventListener("offline", drop)
  follow()
}

function follow() {
  const now = session()?.accessToken ?? ""
  if (!now) return leave()
  if (socket?.readyState === WebSocket.OPEN && now !== token)
    socket.send(JSON.stringify({ type: "auth", token: now }))
  const fresh = !token
  token = now
  if (fresh) connect()
}

function leave() {
  token = ""
  failed = 0
  missed = false
  clearTimeout(again)
  waiting.forEach((timer) => clearTimeout(timer))
  waiting.clear()
  socket?.close()
  socket = null
  become("reconnecting")
}

function become(next: Liveness) {
  polling.every = next === "live" ? BESIDE : ALONE
  if (next === state) return
  state = next
  listeners.forEach((notify) => notify())
  // The pace is another one from now on, and what is on the page may be old.
  if (next === "polling") void queries.invalidateQueries()
}

function connect() {
  clearTimeout(again)
  if (!token || socket) return
  const mine = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws/changes`, [
    "commenda",
    `bearer.${token}`,
  ])
  socket = mine
  hear()
  mine.onmessage = ({ data }) => mine === socket && take(JSON.parse(String(data)) as Message)
  mine.onclose = ({ code }) => mine === socket && lost(code)
}

type Message = { type: string; data?: { topics: string[]; at: string } }

function take(message: Message) {
  hear()
  if (message.type === "snapshot") {
    failed = 0
    become("live")
    if (missed) void queries.invalidateQueries()
    missed = true // whatever snapshot comes next, comes after a gap
  } else if (message.type === "update" && message.data) {
    const { topics, at } = message.data
    queries.setQueriesData<Schemas["Clock"]>({ predicate: ({ queryKey }) => isClock(queryKey) }, (clock) =>
      clock ? { ...clock, now: at } : clock,
    )
    topics.forEach(gather)
  }
}

const isClock = (key: readonly unknown[]) => key[1] === "/api/v1/clock"

function hear() {
  clearTimeout(silent)
  silent = setTimeout(drop, SILENCE)
}

/** Give a socket up at once: where the network is gone, its own end would be long in coming. */
function drop() {
  const gone = socket
  if (!gone) return
  lost(1006)
  gone.close()
}

function lost(code: number) {
  clearTimeout(silent)
  socket = null
  if (!token) return
  failed += 1
  become(failed > IN_VAIN || !navigator.onLine ? "polling" : "reconnecting")
  const longest = Math.min(WAITS.longest, WAITS.first * 2 ** (failed - 1))
  again = setTimeout(() => void retry(code), longest * (0.5 + Math.random() / 2))
}

/** With a newer token where the old one has run out; who was signed out meanwhile stays so. */
async function retry(code: number) {
  if (code === 4401 || code === 4403) await renew().catch(() => false)
  connect()
}

/** Ask again for what a topic names, once for all its news of a while. */
function gather(topic: string) {
  if (waiting.has(topic)) return
  const since = Date.now() - (told.get(topic) ?? 0)
  const wait = Math.max(GATHERED, (SELDOM[topic] ?? 0) - since)
  waiting.set(
    topic,
    setTimeout(() => {
      waiting.delete(topic)
      told.set(topic, Date.now())
      void queries.invalidateQueries({ predicate: ({ queryKey }) => concerns(topic, queryKey) })
    }, wait),
  )
}

/** Whether a query shows what a topic has news of. */
export function concerns(topic: string, key: readonly unknown[]): boolean {
  const names = TOPICS[topic] ?? []
  if (key[0] !== "get") return names.includes(String(key[0]))
  const path = String(key[1]).replace("/api/v1", "")
  return names.some((name) => name.startsWith("/") && (path === name || path.startsWith(`${name}/`)))
}
