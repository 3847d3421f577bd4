import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useList } from "@/lib/lists"
import { present, useUrl } from "@/lib/url"
import { Badge, type Tone } from "@/ui/badge"
import { Card, PageHead } from "@/ui/card"
import { Filter } from "@/ui/filter"
import { Money, Quantity, Said, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Segments } from "@/ui/tabs"

type Order = Schemas["OrderRow"]
const TONES: Record<Order["status"], Tone> = {
  intended: "plain",
  sent: "strong",
  unknown: "warn",
  accepted: "strong",
  partly_filled: "strong",
  filled: "good",
  cancelled: "plain",
  expired: "plain",
  refused: "bad",
}
const SHOWN = ["all", "working", "filled", "unfilled"] as const

/** The order blotter: what was sent to the venues, and how far it came. */
export default function Orders() {
  const { t } = useTranslation()
  const [venue] = useUrl("venue", "")
  const [symbol] = useUrl("symbol", "")
  const [shown, setShown] = useUrl<(typeof SHOWN)[number]>("shown", "all", SHOWN)
  const list = useList(["orders", venue, symbol, shown], async (cursor) => {
    const query = { ...present<"venue" | "symbol">({ venue, symbol }), shown, cursor, limit: 200 }
    const { data } = await client.GET("/api/v1/orders", { params: { query } })
    return data!
  })
  return (
    <>
      <PageHead title={t("pages.orders")}>
        <Segments
          label={t("common.state")}
          value={shown}
          options={SHOWN.map((one) => [one, t(`orders.${one}`)] as const)}
          onChange={setShown}
        />
      </PageHead>
      <div className="filters">
        <Filter name="venue" label={t("orders.venue")} />
        <Filter name="symbol" label={t("common.symbol")} />
      </div>
      <Card flush>
        <Loaded query={list} rows={10}>
          {(rows) => (
            <Table
              label={t("pages.orders")}
              rows={rows}
              id={(row) => row.id}
              to={(row) => `/orders/${row.id}`}
              empty={<Empty title={t("orders.none")}>{t("orders.noneWhy")}</Empty>}
              more={list.more}
              columns={[
                { key: "number", head: t("orders.number"), cell: (row) => row.number },
                { key: "at", head: t("orders.intended"), cell: (row) => <Time at={row.createdAt} seconds /> },
                { key: "venue", head: t("orders.venue"), cell: (row) => row.venue },
                { key: "symbol", head: t("common.symbol"), cell: (row) => row.symbol },
                { key: "side", head: t("common.side"), cell: (row) => t(`sides.${row.side}`) },
                { key: "kind", head: t("common.kind"), cell: (row) => <Manner order={row} /> },
                {
                  key: "quantity",
                  head: t("common.quantity"),
                  right: true,
                  cell: (row) => <Quantity value={row.quantity} />,
                },
                {
                  key: "filled",
                  head: t("orders.filledQuantity"),
                  right: true,
                  cell: (row) => <Quantity value={row.filled} />,
                },
                {
                  key: "price",
                  head: t("orders.average"),
                  right: true,
                  cell: (row) => <Quantity value={row.price} />,
                },
                {
                  key: "fee",
                  head: t("costs.fees"),
                  right: true,
                  cell: (row) => <Money amount={row.fee} asset={row.quote} />,
                },
                { key: "status", head: t("common.state"), cell: (row) => <OrderState order={row} /> },
                {
                  key: "cause",
                  head: t("orders.cause"),
                  cell: (row) =>
                    t(`orderCauses.${row.cause}` as "orderCauses.signal", { defaultValue: row.cause }),
                },
                { key: "reason", head: t("liquidation.reason"), cell: (row) => <Said words={row.reason} /> },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  )
}

/** What kind of order it is, and how it is taken where that is not the usual. */
export function Manner({ order }: { order: Order }) {
  const { t } = useTranslation()
  const kind = order.kind === "stop" && order.limitPrice ? "stopLimit" : order.kind
  return [
    t(`orderKinds.${kind}`),
    ...(order.timeInForce === "gtc" ? [] : [t(`orderTimes.${order.timeInForce}`)]),
    ...(order.reduceOnly ? [t("orderTimes.reduce_only")] : []),
  ].join(" · ")
}

export function OrderState({ order }: { order: Order }) {
  const { t } = useTranslation()
  return <Badge tone={TONES[order.status]}>{t(`orderStatus.${order.status}`)}</Badge>
}
