import { Link, useParams } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api } from "@/api/client"
import { Badge } from "@/ui/badge"
import { Card, Facts, Figure, PageHead } from "@/ui/card"
import { Id, Money, Quantity, Said, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { OrderActs } from "./order-acts"
import { Manner, OrderState } from "./orders"

/** The life of one order: its moments, what was filled of it, and whose it was. */
export default function Order() {
  const { t } = useTranslation()
  const { id } = useParams({ strict: false }) as { id: string }
  const query = api.useQuery("get", "/api/v1/orders/{order_id}", { params: { path: { order_id: id } } })
  return (
    <Loaded query={query} rows={8}>
      {({ order, fills, parts }) => (
        <>
          <PageHead title={`${t("pages.order")} ${order.number}`}>
            <OrderState order={order} />
            <Badge>{order.venue}</Badge>
            <Badge>{order.symbol}</Badge>
            {order.cancelAskedAt && !order.terminalAt && <Badge tone="warn">{t("orders.ending")}</Badge>}
            <Id id={order.id} />
            <OrderActs order={order} />
          </PageHead>
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
            <Figure label={t(`sides.${order.side}`)} note={<Manner order={order} />}>
              <span>
                <Quantity value={order.quantity} /> {order.base}
              </span>
            </Figure>
            <Figure label={t("orders.filledQuantity")}>
              <span>
                <Quantity value={order.filled} /> {order.base}
              </span>
            </Figure>
            <Figure label={t("orders.average")}>
              <Quantity value={order.price} />
            </Figure>
            <Figure label={t("costs.fees")}>
              <Money amount={order.fee} asset={order.quote} />
            </Figure>
          </div>
          <div className="grid items-start gap-4 lg:grid-cols-2">
            <Card title={t("orders.life")}>
              <Facts
                rows={[
                  [t("orders.intended"), <Time key="i" at={order.createdAt} seconds />],
                  [t("orders.sent"), <Time key="s" at={order.sentAt} seconds />],
                  [t("orders.until"), <Time key="u" at={order.expiresAt} seconds />],
                  [t("orders.ended"), <Time key="e" at={order.terminalAt} seconds />],
                  [t("orders.allocated"), <Time key="a" at={order.allocatedAt} seconds />],
                ]}
              />
            </Card>
            <Card title={t("orders.asked")}>
              <Facts
                rows={[
                  [
                    t("orders.cause"),
                    <Link
                      key="c"
                      to="/trace"
                      search={{ name: order.causeId } as never}
                      className="text-primary hover:underline"
                    >
                      {t(`orderCauses.${order.cause}` as "orderCauses.signal", { defaultValue: order.cause })}
                    </Link>,
                  ],
                  [t("orders.reference"), <Quantity key="r" value={order.referencePrice} />],
                  [t("orders.limit"), <Quantity key="l" value={order.limitPrice} />],
                  ...(order.askedPrice
                    ? [[t("orders.newLimit"), <Quantity key="n" value={order.askedPrice} />] as const]
                    : []),
                  [t("orders.trigger"), <Quantity key="t" value={order.triggerPrice} />],
                  [t("liquidation.reason"), <Said key="w" words={order.reason} />],
                ]}
              />
            </Card>
          </div>
          <Card title={t("orders.fills")} flush={fills.length > 0}>
            <Table
              label={t("orders.fills")}
              rows={fills}
              id={(row) => row.fillId}
              empty={<Empty title={t("orders.noFills")} />}
              columns={[
                {
                  key: "id",
                  head: t("orders.fill"),
                  cell: (row) => <code className="text-xs">{row.fillId}</code>,
                },
                {
                  key: "quantity",
                  head: t("common.quantity"),
                  right: true,
                  cell: (row) => <Quantity value={row.quantity} />,
                },
                {
                  key: "price",
                  head: t("common.price"),
                  right: true,
                  cell: (row) => <Quantity value={row.price} />,
                },
                {
                  key: "fee",
                  head: t("costs.fees"),
                  right: true,
                  cell: (row) => <Money amount={row.fee} asset={order.quote} />,
                },
                {
                  key: "traded",
                  head: t("orders.traded"),
                  cell: (row) => <Time at={row.tradedAt} seconds />,
                },
                { key: "posted", head: t("proof.posted"), cell: (row) => <Time at={row.filledAt} seconds /> },
              ]}
            />
          </Card>
          <Card
            title={t("orders.books")}
            flush
            actions={
              <span className="text-muted-foreground num text-xs">
                {t("statement.shown", { shown: parts.length, count: order.books })}
              </span>
            }
          >
            <Table
              label={t("orders.books")}
              rows={parts}
              id={(row) => row.legId}
              empty={<Empty title={t("exposure.none")} />}
              columns={[
                {
                  key: "book",
                  head: t("exposure.book"),
                  cell: (row) => (
                    <Link
                      to="/trace"
                      search={{ name: row.scopeId } as never}
                      className="focusable text-primary rounded hover:underline"
                    >
                      <Id id={row.scopeId} />
                    </Link>
                  ),
                },
                {
                  key: "kind",
                  head: t("common.kind"),
                  cell: (row) =>
                    t(`bookKinds.${row.book}` as "bookKinds.managed", { defaultValue: row.book }),
                },
                { key: "owner", head: t("proof.owner"), cell: (row) => row.owner ?? t("exposure.platform") },
                {
                  key: "requested",
                  head: t("orders.requested"),
                  right: true,
                  cell: (row) => <Quantity value={row.requested} />,
                },
                {
                  key: "got",
                  head: t("orders.got"),
                  right: true,
                  cell: (row) => <Quantity value={row.quantity} />,
                },
                {
                  key: "fee",
                  head: t("costs.fees"),
                  right: true,
                  cell: (row) => <Money amount={row.fee} asset={order.quote} />,
                },
              ]}
            />
          </Card>
        </>
      )}
    </Loaded>
  )
}
