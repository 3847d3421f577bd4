import type { Schemas } from "@/api/client"
import type { Permission } from "@/api/session"

type Found = Schemas["Found"]
type Place = [needs: Permission, to: string, search?: Record<string, string>]

const seen = (to: string): Place[] => [
  ["share", to],
  ["overview", to],
]

/** Where each kind of thing has a page, and which permission opens it: the first that one may open. */
const PLACES: Partial<Record<Found["kind"], (found: Found) => Place[]>> = {
  journal: ({ id }) => [["ledger", `/journals/${id}`]],
  account: ({ id }) => [["ledger", `/accounts/${id}`]],
  subscription: ({ id }) => [
    ["overview", `/subscriptions/${id}`],
    ["subscribe", `/holdings/${id}`],
  ],
  copy: ({ id }) => [["copy", `/copies/${id}`]],
  holding: ({ id }) => [["income", `/pools/${id}`]],
  flow: ({ id }) => [["flows", `/flows/${id}`]],
  signal: ({ id }) => [["flows", `/flows/${id}`]],
  strategy: ({ id }) => [["share", "/studio", { name: id }]],
  backtest: ({ id }) => seen(`/backtests/${id}`),
  study: ({ id }) => seen(`/studies/${id}`),
  approval: ({ id }) => [["approvals", "/approvals", { open: id }]],
  product: ({ id }) => [["overview", `/products/${id}`]],
  pool: () => [["overview", "/products", { kind: "pools" }]],
  schedule: ({ id }) => [["overview", `/schedules/${id}`]],
  proof: () => [["ledger", "/proof"]],
  user: ({ id, title }) => [
    ["users", "/users", { open: id }],
    ["ledger", "/accounts", { owner: title }],
  ],
}

export const placeOf = (found: Found, permissions: readonly Permission[]) =>
  PLACES[found.kind]?.(found).find(([needs]) => permissions.includes(needs))
