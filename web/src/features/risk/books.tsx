import type { ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { Link } from "@tanstack/react-router"
import { client, type Schemas } from "@/api/client"
import { useList } from "@/lib/lists"
import { Badge } from "@/ui/badge"
import { Card } from "@/ui/card"
import { Id, Money, Percent, Quantity, Statistic, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

type Book = Schemas["BookRisk"]
export type Behind = { instrumentId?: number; creatorId?: string; venue?: string }

/** Open books, the nearest to being closed by their margin first: of an instrument, a creator, a venue, or all. */
export function Books({ title, behind, actions }: { title: string; behind: Behind; actions?: ReactNode }) {
  const { t } = useTranslation()
  const list = useList(["books-at-risk", behind], async (cursor) => {
    const { data } = await client.GET("/api/v1/exposure/books", {
      params: { query: { ...behind, cursor, limit: 100 } },
    })
    return data!
  })
  return (
    <Card title={title} flush={!!list.data?.length} actions={actions}>
      <Loaded query={list} rows={6}>
        {(rows) => (
          <Table
            label={title}
            rows={rows}
            id={(row) => row.id}
            more={list.more}
            empty={<Empty title={t("exposure.none")} />}
            columns={[
              { key: "id", head: t("exposure.book"), cell: (row) => <Book of={row} /> },
              {
                key: "kind",
                head: t("common.kind"),
                cell: (row) => t(`bookKinds.${row.kind}` as "bookKinds.managed", { defaultValue: row.kind }),
              },
              {
                key: "owner",
                head: t("proof.owner"),
                cell: (row) => row.owner ?? t("exposure.platform"),
              },
              {
                key: "ratio",
                head: t("margins.ratio"),
                right: true,
                cell: (row) => (
                  <Badge tone={tone(row)}>
                    <Percent ratio={row.marginRatio} />
                  </Badge>
                ),
              },
              {
                key: "distance",
                head: t("exposure.nearest"),
                right: true,
                cell: (row) => (row.margined ? <Percent ratio={row.distance} /> : t("margins.not")),
              },
              ...(behind.instrumentId
                ? [
                    {
                      key: "quantity",
                      head: t("common.quantity"),
                      right: true,
                      cell: (row: Book) => <Quantity value={row.quantity} />,
                    },
                    {
                      key: "value",
                      head: t("exposure.value"),
                      right: true,
                      cell: (row: Book) => <Money amount={row.value} asset={row.asset} signed marked />,
                    },
                  ]
                : []),
              {
                key: "equity",
                head: t("exposure.equity"),
                right: true,
                cell: (row) => <Money amount={row.equity} asset={row.asset} marked />,
              },
              {
                key: "gross",
                head: t("exposure.gross"),
                right: true,
                cell: (row) => <Money amount={row.gross} asset={row.asset} marked />,
              },
              {
                key: "leverage",
                head: t("exposure.leverage"),
                right: true,
                cell: (row) => <Statistic value={row.leverage} unit="×" />,
              },
              {
                key: "used",
                head: t("exposure.marginUsed"),
                right: true,
                cell: (row) => <Money amount={row.marginUsed} asset={row.asset} marked />,
              },
              {
                key: "free",
                head: t("margins.free"),
                right: true,
                cell: (row) => <Money amount={row.marginFree} asset={row.asset} marked />,
              },
              { key: "creators", head: t("exposure.by_creator"), cell: (row) => few(row.creators) },
              { key: "instruments", head: t("exposure.by_instrument"), cell: (row) => few(row.instruments) },
              { key: "mark", head: t("exposure.oldestMark"), cell: (row) => <Time at={row.markAsOf} /> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}

const few = (names: readonly string[]) => (
  <span title={names.join(", ")}>
    {names.slice(0, 3).join(", ")}
    {names.length > 3 && ` +${names.length - 3}`}
  </span>
)

const tone = ({ margined, marginRatio }: Book) =>
  marginRatio === null || Number(marginRatio) >= 0.8
    ? "bad"
    : margined && Number(marginRatio) >= 0.5
      ? "warn"
      : "plain"

/** A managed book is a subscription and has its page. */
function Book({ of }: { of: Book }) {
  const { t } = useTranslation()
  const id = (
    <>
      <Id id={of.id} /> {of.closing && <Badge tone="warn">{t("margins.closing")}</Badge>}
    </>
  )
  if (of.kind !== "managed") return id
  return (
    <Link
      to={`/subscriptions/${of.id}`}
      className="focusable text-primary rounded hover:underline [&_code]:text-primary"
    >
      {id}
    </Link>
  )
}
