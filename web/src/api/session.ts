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
let renewing: Promise<boolean> | null = null

export const session = () => current

/** Call `notify` whenever there is another session, or another token of the same. */
export const watchSession = (notify: () => void) => void listeners.add(notify)

export const useUser = () =>
  useSyncExternalStore(
    (notify) => (listeners.add(notify), () => listeners.delete(notify)),
    () => current?.user ?? null,
  )

/** Whether whoever is here has one of these permissions. */
export function useMay(...any: Permission[]) {
  const user = useUser()
  return any.some((one) => user?.permissions.includes(one))
}

function keep(next: Session | null) {
  current = next
  if (next) sessionStorage.setItem(KEPT, JSON.stringify(next))
  else sessionStorage.removeItem(KEPT)
  listeners.forEach((notify) => notify())
}

export const begin = ({ accessToken, refreshToken, user }: SignedIn) =>
  keep({ accessToken, refreshToken, user })

/** Forget who was here. `ended` is true where the server ended it, and not the person. */
export function forget(ended = false) {
  keep(null)
  sessionStorage.setItem("commenda.ended", ended ? "yes" : "")
}

export const hasEnded = () => sessionStorage.getItem("commenda.ended") === "yes"

/** Take new tokens for the old ones, once for all who ask at the same time. False where the session is over. */
export function renew(): Promise<boolean> {
  renewing ??= renewOnce().finally(() => (renewing = null))
  return renewing
}

async function renewOnce(): Promise<boolean> {
  if (!current) return false
  const answer = await fetch("/api/v1/auth/refresh", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ refreshToken: current.refreshToken }),
  })
  if (answer.ok) begin(await answer.json())
  else if (answer.status === 401) forget(true)
  return answer.ok
}
