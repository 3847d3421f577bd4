import { Blocks, ChartCandlestick, Coins, FlaskConical, RadioTower } from "lucide-react"
import type { Page } from "./page"

/** What creators open; what they tried is seen by the staff, too. */
export const CREATE: readonly Page[] = [
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
    needs: ["share", "overview"],
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
    needs: ["share", "overview"],
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
    path: "/income",
    name: "income",
    group: "create",
    needs: "share",
    icon: Coins,
    load: () => import("@/features/create/income"),
  },
]
