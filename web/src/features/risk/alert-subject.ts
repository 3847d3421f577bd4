import type { Schemas } from "@/api/client"

type Alert = Pick<Schemas["Alert"], "kind" | "subject" | "details">

const said = ({ details }: Alert, name: string) => {
  const value = (details as Record<string, unknown>)[name]
  return typeof value === "string" ? value : null
}
const subscription = ({ subject }: Alert) => `/subscriptions/${subject}`

/** Where what an alert is about is looked at. A kind that is not here has no page. */
const PLACES: Record<string, (alert: Alert) => string | null> = {
  "liquidation.failed": () => "/margins?view=closings",
  "alert.matured_not_liquidating": subscription,
  "alert.liquidating_too_long": subscription,
  "alert.liquidated_not_settled": subscription,
  "alert.matured_not_settled": subscription,
  "alert.settled_not_shared": subscription,
  "alert.profit_share_failing": subscription,
  "alert.withdrawing_too_long": (alert) =>
    said(alert, "subscription") && `/subscriptions/${said(alert, "subscription")}`,
  "alert.withdrawal_refused": subscription,
  "alert.flow_failed": ({ subject }) => `/flows/${subject}`,
  "alert.portfolio_drifted": ({ subject }) => `/portfolios/${subject}`,
  "alert.decision_waits": ({ subject }) => `/decisions/${subject}`,
  "alert.flow_apart": ({ subject }) => `/flows/${subject}`,
  "alert.copy_failed": (alert) => said(alert, "flowId") && `/flows/${said(alert, "flowId")}`,
  "alert.job_failed": () => "/schedules",
  "alert.venue_at_machine": () => "/venues",
  "alert.venue_silent": () => "/venues",
  "alert.venue_deaf": () => "/venues",
  "alert.venue_limited": () => "/venues",
  "alert.venue_strange": () => "/venues",
  "alert.venue_forced": () => "/venues",
  "alert.risk_limit": () => "/limits",
  "alert.breaker_open": () => "/breakers",
  "alert.bank_unmatched": () => "/money",
  "alert.bank_reversed": () => "/money",
  "alert.market_untrusted": () => "/market-data",
  "alert.market_finding": () => "/market-data",
  "alert.unreconciled": () => "/proof",
  "alert.proof_broken": () => "/proof",
}

export const subjectPage = (alert: Alert) => PLACES[alert.kind]?.(alert) ?? null
