import i18next from "i18next"
import type { Refusal } from "@/api/client"

type Problem = Refusal["problem"]

/** A platform's strategy in the reader's language; what its author wrote, where the language has no words for it. */
export function docOf({ name, ownerId }: { name: string; ownerId: string | null }, written: string) {
  const key = `strategyWords.${name}`
  return ownerId === null && i18next.exists(key)
    ? { doc: i18next.t(key as never) as string, lang: i18next.language }
    : { doc: written, lang: "en" }
}

/** As much of a value as a sentence can carry. */
const LONGEST = 40

/**
 * A refusal in the reader's language. Where the language has words for its rule or its code, they say what happened and
 * what mends it; English is what the API says.
 */
export function wordsOf(problem: Problem): { what: string; mend: string | null } {
  const keys = [`rules.${problem.rule ?? ""}`, `refusals.${problem.code}`]
  const key = keys.find((one) => i18next.exists(one))
  if (!key) return { what: problem.detail, mend: problem.mend ?? null }
  const { field, value, bound } = problem
  const short = value && value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value
  const values = { field: field ?? "", value: short ?? "", bound: bound ?? "" }
  return { what: i18next.t(key as never, values) as string, mend: null }
}
