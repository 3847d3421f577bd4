import type { ComponentType } from "react"
import SimulationReport from "./simulation"
import { StudyReport } from "@/features/create/study-report"
import { StatementSheet } from "@/features/invest/statement-sheet"

/** What each kind of report is drawn with: its data is what Python's `report_page` was given. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each component knows its own data
export const KINDS: Record<string, ComponentType<{ data: any }>> = {
  simulation: SimulationReport,
  statement: StatementSheet,
  study: StudyReport,
}
