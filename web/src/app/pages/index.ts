import { ChartCandlestick } from "lucide-react"
import type { Permission } from "@/api/session"
import { CREATE } from "./create"
import { INVEST } from "./invest"
import { OPERATE } from "./operate"
import { mayOpen, type Page } from "./page"
import { WATCH } from "./watch"

export { mayOpen, type Group, type Page } from "./page"

export const PAGES: readonly Page[] = [
  ...INVEST,
  ...CREATE,
  ...OPERATE,
  ...WATCH,
  {
    path: "/markets",
    name: "markets",
    group: "you",
    needs: "market",
    icon: ChartCandlestick,
    load: () => import("@/features/market/markets"),
  },
  {
    path: "/markets/$symbol",
    name: "markets",
    group: "you",
    needs: "market",
    load: () => import("@/features/market/instrument"),
  },
  {
    path: "/account",
    name: "account",
    group: "you",
    needs: "account",
    load: () => import("@/features/account/account"),
  },
]

/** Where somebody begins: the first page of the navigation that they may open. */
export const firstPage = (permissions: readonly Permission[]) =>
  PAGES.find((page) => page.icon && mayOpen(page, permissions)) ?? PAGES.at(-1)!
