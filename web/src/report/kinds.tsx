import type { ComponentType } from "react"
import SimulationReport from "./simulation"
import { StudyReport } from "@/features/create/study-report"
import { StatementSheet } from "@/features/invest/statement-sheet"
import { BacktestReport } from "@/features/create/backtest-report"
import { ComparisonReport } from "@/features/create/comparison-report"
import type { Compared, Told } from "@/features/create/readings"

/** What each kind of report is drawn with: its data is what Python's `report_page` was given. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each component knows its own data
export const KINDS: Record<string, ComponentType<{ data: any }>> = {
  simulation: SimulationReport,
  statement: StatementSheet,
  study: StudyReport,
  backtest: ({ data }: { data: Told }) => <BacktestReport run={data} />,
  comparison: ({ data }: { data: { items: Compared[] } }) => <ComparisonReport runs={data.items} />,
}
