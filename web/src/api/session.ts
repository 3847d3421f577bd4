import { useSyncExternalStore } from "react"
import type { components } from "./schema"

type SignedIn = components["schemas"]["SignedIn"]
export type User = components["schemas"]["UserProfile"]
export type Permission = components["schemas"]["Permission"]
export type Role = components["schemas"]["Role"]

/** Who is signed in. Tokens live in this tab only, and end with it. */
type Session = { accessToken: string; refreshToken: string; user: User }

const KEPT = "commenda.session"
const listeners = new Set<() => void>()
let current: Session | null = JSON.parse(sessionStorage.getItem(KEPT) ?? "null")
let over = false
let renewing: Promise<boolean> | null = null

/** A tab that was duplicated has the same session: what one renews the others take, since a token that is used twice ends it. */
const tabs = new BroadcastChannel(KEPT)
tabs.onmessage = ({ data }: MessageEvent<{ instead: string; next: Session }>) => {
  if (current?.refreshToken === data.instead) keep(data.next)
}
/** Milliseconds in which another tab's new tokens are here. */
const PASSED_ON = 500

export const session = () => (over ? null : current)

/** Whether the server has ended the session: whoever is here signs in again, over the page as they left it. */
export const useOver = () =>
  useSyncExternalStore(
    (notify) => (listeners.add(notify), () => listeners.delete(notify)),
    () => over,
  )

/** Who is here, or was until the server ended it. */
export const whoseTab = () => current?.user ?? null

/** Call `notify` whenever there is another session, or another token of the same. */
export const watchSession = (notify: () => void) => void listeners.add(notify)

export const useUser = () =>
  useSyncExternalStore((notify) => (listeners.add(notify), () => listeners.delete(notify)), whoseTab)

/** Whether whoever is here has one of these permissions. */
export function useMay(...any: Permission[]) {
  const user = useUser()
  return any.some((one) => user?.permissions.includes(one))
}

function keep(next: Session | null) {
  current = next
  over = false
  if (next) sessionStorage.setItem(KEPT, JSON.stringify(next))
  else sessionStorage.removeItem(KEPT)
  listeners.forEach((notify) => notify())
}

export const begin = ({ accessToken, refreshToken, user }: SignedIn) =>
  keep({ accessToken, refreshToken, user })

let replacing: Promise<unknown> = Promise.resolve()

/**
 * Make a call that ends this session and answers with the next. Whoever asks meanwhile waits for the new tokens: the old
 * ones would be refused, and to renew them would end it.
 */
export function replace<Next extends SignedIn>(call: () => Promise<Next>): Promise<Next> {
  const next = call().then((answer) => (begin(answer), answer))
  replacing = next.catch(() => {}) // set once the call itself is on its way
  return next
}

/** When no other session is on its way. */
export const replaced = () => replacing

/** Forget who was here. */
export function forget() {
  keep(null)
  sessionStorage.setItem("commenda.ended", "")
}

/** The server has ended it: nothing of it is kept but what is on the page, for the same person. */
function end() {
  over = current !== null
  sessionStorage.removeItem(KEPT)
  sessionStorage.setItem("commenda.ended", "yes")
  listeners.forEach((notify) => notify())
}

export const hasEnded = () => sessionStorage.getItem("commenda.ended") === "yes"

/** Take new tokens for the old ones, once for all who ask at the same time. False where the session is over. */
export function renew(): Promise<boolean> {
  renewing ??= renewOnce().finally(() => (renewing = null))
  return renewing
}

async function renewOnce(): Promise<boolean> {
  if (!current || over) return false
  const instead = current.refreshToken
  const answer = await fetch("/api/v1/auth/refresh", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ refreshToken: instead }),
  })
  if (answer.ok) {
    begin(await answer.json())
    tabs.postMessage({ instead, next: current })
  } else if (answer.status === 401) end()
  else if (answer.status === 409) await new Promise((passed) => setTimeout(passed, PASSED_ON))
  return session() !== null && current.refreshToken !== instead
}
