import { useTranslation } from "react-i18next"
import { isMinute, useUrl } from "@/lib/url"
import { Field } from "./field"

/** From when until when, in UTC, kept in the address: what the API is asked with, and the two fields. */
export function usePeriod() {
  const { t } = useTranslation()
  const [from, setFrom] = useUrl("from", "", isMinute)
  const [to, setTo] = useUrl("to", "", isMinute)
  const given = { from: from && `${from}:00Z`, to: to && `${to}:00Z` }
  const fields = (
    <>
      <Field
        label={t("common.fromUtc")}
        type="datetime-local"
        value={from}
        onChange={(event) => setFrom(event.target.value)}
      />
      <Field
        label={t("common.toUtc")}
        type="datetime-local"
        value={to}
        onChange={(event) => setTo(event.target.value)}
      />
    </>
  )
  return [given, fields] as const
}
