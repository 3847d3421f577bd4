import { BriefcaseBusiness, Compass, House, ListOrdered, Share2 } from "lucide-react"
import type { Page } from "./page"

/** What investors open. */
export const INVEST: readonly Page[] = [
  {
    path: "/home",
    name: "home",
    group: "invest",
    needs: "wallet",
    icon: House,
    load: () => import("@/features/invest/home"),
  },
  {
    path: "/discover",
    name: "discover",
    group: "invest",
    needs: "subscribe",
    icon: Compass,
    load: () => import("@/features/invest/discover"),
  },
  {
    path: "/holdings",
    name: "holdings",
    group: "invest",
    needs: "wallet",
    icon: BriefcaseBusiness,
    load: () => import("@/features/invest/holdings"),
  },
  {
    path: "/holdings/$id",
    name: "subscription",
    group: "invest",
    needs: "subscribe",
    load: () => import("@/features/invest/subscription"),
  },
  {
    path: "/copies/$id",
    name: "copy",
    group: "invest",
    needs: "copy",
    load: () => import("@/features/invest/copy"),
  },
  {
    path: "/pools/$id",
    name: "pool",
    group: "invest",
    needs: "income",
    load: () => import("@/features/invest/pool"),
  },
  {
    path: "/flows/$id",
    name: "flow",
    group: "invest",
    needs: "flows",
    load: () => import("@/features/invest/flow"),
  },
  {
    path: "/activity",
    name: "activity",
    group: "invest",
    needs: "wallet",
    icon: ListOrdered,
    load: () => import("@/features/invest/activity"),
  },
  {
    path: "/statement",
    name: "statement",
    group: "invest",
    needs: "wallet",
    load: () => import("@/features/invest/statement"),
  },
  {
    path: "/referrals",
    name: "referrals",
    group: "invest",
    needs: "wallet",
    icon: Share2,
    load: () => import("@/features/invest/referrals"),
  },
]
