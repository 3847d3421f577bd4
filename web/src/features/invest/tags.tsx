import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { Badge } from "@/ui/badge"

/** What a creator tagged a flow with: their own words, and a profile's name in the reader's. */
export function Tags({ of }: { of: Schemas["SharedFlow"] }) {
  const { t } = useTranslation()
  return of.tags.map((tag) => (
    <Badge key={tag}>{t(`profiles.${tag}` as "profiles.balanced", { defaultValue: tag })}</Badge>
  ))
}
