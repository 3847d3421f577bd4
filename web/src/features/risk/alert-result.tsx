import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"

/** A state, or that something failed, in the reader's words; anything else as it was noted. */
export function AlertResult({ of: { result } }: { of: Schemas["Alert"] }) {
  const { t } = useTranslation()
  const names = [`states.${result}`, `alertResults.${result}`] as unknown as "states.ACTIVE"
  return <span title={result}>{t(names, { defaultValue: result }).slice(0, 48)}</span>
}
