import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { Badge } from "@/ui/badge"
import { Money, Named } from "@/ui/shown"
import type { Column } from "@/ui/table"
import { STATE_TONES } from "../invest/holdings"

/** What every list of everybody's subscriptions says of each: its state, whose, of what, how much. */
export function useSubscriptionColumns(): Column<Schemas["SubscriptionSummary"]>[] {
  const { t } = useTranslation()
  return [
    {
      key: "state",
      head: t("common.state"),
      cell: (row) => <Badge tone={STATE_TONES[row.status]}>{t(`states.${row.status}`)}</Badge>,
    },
    {
      key: "investor",
      wide: true,
      head: t("operation.investor"),
      cell: (row) => <Named id={row.investorId} name={row.investorName} />,
    },
    {
      key: "product",
      head: t("holding.name"),
      cell: (row) =>
        `${t(`profiles.${row.product.profile}`)} · ${t("common.days", { count: row.product.termDays })}`,
    },
    {
      key: "amount",
      head: t("holding.amount"),
      right: true,
      cell: (row) => <Money amount={row.amount} asset={row.asset} />,
      sort: (row) => Number(row.amount),
    },
  ]
}
