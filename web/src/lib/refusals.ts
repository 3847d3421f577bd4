import i18next from "i18next"
import type { Refusal } from "@/api/client"

type Problem = Refusal["problem"]

/**
 * A refusal in the reader's language. Where the language has words for its code, they say what happened and what
 * mends it; English is what the API says.
 */
export function wordsOf(problem: Problem): { what: string; mend: string | null } {
  const key = `refusals.${problem.code}`
  if (!i18next.exists(key)) return { what: problem.detail, mend: problem.mend ?? null }
  const values = { field: problem.field ?? "", value: problem.value ?? "" }
  return { what: i18next.t(key as never, values) as string, mend: null }
}
