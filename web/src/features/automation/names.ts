import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import type { Tone } from "@/ui/badge"

export type Decision = Schemas["DecisionWhole"]["decision"]
type State = Decision["state"]

export const STATES: readonly State[] = [
  "recommended",
  "waiting",
  "refused",
  "rejected",
  "done",
  "measured",
  "undone",
]
export const STATE_TONES: Record<State, Tone> = {
  recommended: "warn",
  waiting: "warn",
  refused: "bad",
  rejected: "plain",
  done: "strong",
  measured: "good",
  undone: "plain",
}

/** What an ability, an action and a reason are called; what has no words yet is called as the API calls it. */
export function useNames() {
  const { t } = useTranslation()
  return {
    ability: (name: string) => t(`abilities.names.${name as "rebalance"}`, { defaultValue: name }),
    about: (name: string, written: string) =>
      t(`abilities.about.${name as "rebalance"}`, { defaultValue: written }),
    action: (name: string) => t(`decisions.actions.${name as "search"}`, { defaultValue: name }),
    code: (name: string) => t(`decisions.codes.${name as "daily"}`, { defaultValue: name }),
    kind: (name: string) => t(`decisions.kinds.${name as "flow"}`, { defaultValue: name }),
  }
}

/** Where what a decision is about, or made, is looked at. */
export function placeOf(kind: string, ref: string): string | null {
  const [id] = ref.split(":")
  const places: Record<string, string> = {
    portfolio: "/portfolios",
    rebalance: "/portfolios",
    flow: "/flows",
    flow_terms: "/flows",
    study: "/studies",
    order: "/orders",
    subscription: "/subscriptions",
  }
  if (kind === "breaker") return "/breakers"
  return places[kind] ? `${places[kind]}/${id}` : null
}
