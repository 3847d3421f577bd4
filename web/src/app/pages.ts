import {
  Banknote,
  BellRing,
  Blocks,
  BookOpenCheck,
  BriefcaseBusiness,
  CalendarClock,
  ChartCandlestick,
  Compass,
  FlaskConical,
  Footprints,
  HandCoins,
  House,
  Layers,
  ListChecks,
  ListOrdered,
  type LucideIcon,
  NotebookText,
  Gauge,
  Package,
  RadioTower,
  ReceiptText,
  Share2,
  Users,
} from "lucide-react"
import type { ComponentType } from "react"
import type { Permission } from "@/api/session"
import type { en } from "@/i18n/en"

type Texts = typeof en
export type Group = keyof Texts["groups"]

/**
 * One page: its address, what it is called (`pages.NAME`), who may open it and where its code is. A page with an icon
 * stands in the navigation; the others are reached from there.
 */
export type Page = {
  path: string
  name: keyof Texts["pages"]
  group: Group
  needs: Permission
  icon?: LucideIcon
  load: () => Promise<{ default: ComponentType }>
}

export const PAGES: readonly Page[] = [
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
  {
    path: "/studio",
    name: "studio",
    group: "create",
    needs: "share",
    icon: Blocks,
    load: () => import("@/features/create/studio"),
  },
  {
    path: "/backtests",
    name: "backtests",
    group: "create",
    needs: "share",
    icon: ChartCandlestick,
    load: () => import("@/features/create/backtests"),
  },
  {
    path: "/backtests/compare",
    name: "compare",
    group: "create",
    needs: "share",
    load: () => import("@/features/create/comparison"),
  },
  {
    path: "/backtests/$id",
    name: "backtest",
    group: "create",
    needs: "share",
    load: () => import("@/features/create/backtest"),
  },
  {
    path: "/studies",
    name: "studies",
    group: "create",
    needs: "share",
    icon: FlaskConical,
    load: () => import("@/features/create/studies"),
  },
  {
    path: "/studies/$id",
    name: "study",
    group: "create",
    needs: "share",
    load: () => import("@/features/create/study"),
  },
  {
    path: "/my-flows",
    name: "myFlows",
    group: "create",
    needs: "share",
    icon: RadioTower,
    load: () => import("@/features/create/my-flows"),
  },
  {
    path: "/my-flows/$id",
    name: "myFlow",
    group: "create",
    needs: "share",
    load: () => import("@/features/create/my-flow"),
  },
  {
    path: "/operation",
    name: "operation",
    group: "operate",
    needs: "overview",
    icon: Gauge,
    load: () => import("@/features/operate/operation"),
  },
  {
    path: "/subscriptions",
    name: "subscriptions",
    group: "operate",
    needs: "overview",
    icon: Layers,
    load: () => import("@/features/operate/subscriptions"),
  },
  {
    path: "/subscriptions/$id",
    name: "subscription",
    group: "operate",
    needs: "overview",
    load: () => import("@/features/invest/subscription"),
  },
  {
    path: "/approvals",
    name: "approvals",
    group: "operate",
    needs: "approvals",
    icon: ListChecks,
    load: () => import("@/features/operate/approvals"),
  },
  {
    path: "/alerts",
    name: "alerts",
    group: "operate",
    needs: "overview",
    icon: BellRing,
    load: () => import("@/features/operate/alerts"),
  },
  {
    path: "/settlement",
    name: "settlement",
    group: "operate",
    needs: "settle",
    icon: HandCoins,
    load: () => import("@/features/operate/settlement"),
  },
  {
    path: "/products",
    name: "products",
    group: "operate",
    needs: "overview",
    icon: Package,
    load: () => import("@/features/operate/products"),
  },
  {
    path: "/money",
    name: "money",
    group: "operate",
    needs: "ledger",
    icon: Banknote,
    load: () => import("@/features/operate/money"),
  },
  {
    path: "/schedules",
    name: "schedules",
    group: "operate",
    needs: "overview",
    icon: CalendarClock,
    load: () => import("@/features/operate/schedules"),
  },
  {
    path: "/schedules/$id",
    name: "schedule",
    group: "operate",
    needs: "overview",
    load: () => import("@/features/operate/schedule"),
  },
  {
    path: "/users",
    name: "users",
    group: "operate",
    needs: "users",
    icon: Users,
    load: () => import("@/features/operate/users"),
  },
  {
    path: "/proof",
    name: "proof",
    group: "audit",
    needs: "ledger",
    icon: BookOpenCheck,
    load: () => import("@/features/audit/proof"),
  },
  {
    path: "/journals",
    name: "journals",
    group: "audit",
    needs: "ledger",
    icon: NotebookText,
    load: () => import("@/features/audit/journals"),
  },
  {
    path: "/journals/$id",
    name: "journals",
    group: "audit",
    needs: "ledger",
    load: () => import("@/features/audit/journals"),
  },
  {
    path: "/statements",
    name: "statements",
    group: "audit",
    needs: "ledger",
    icon: ReceiptText,
    load: () => import("@/features/audit/statements"),
  },
  {
    path: "/trail",
    name: "trail",
    group: "audit",
    needs: "audit",
    icon: Footprints,
    load: () => import("@/features/audit/trail"),
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
  PAGES.find((page) => page.icon && permissions.includes(page.needs)) ?? PAGES.at(-1)!
