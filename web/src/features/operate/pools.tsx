import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Check, Choice, Field, NumberField } from "@/ui/field"
import { Money, Percent, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Asked, useBusinessTime } from "./asked"

type Product = Schemas["PoolProduct"]
type Terms = Schemas["Terms"]

/** Pool products: what is sold of each, at which rate, and what its rate becomes. */
export function Pools() {
  const { t } = useTranslation()
  const may = useMay("terms")
  const [making, setMaking] = useState(false)
  const [open, setOpen] = useState<Product | null>(null)
  const list = useList(["pool-products"], async (cursor) => {
    const { data } = await client.GET("/api/v1/pools/products", {
      params: { query: { cursor, limit: 100 } },
    })
    return data!
  })
  return (
    <Card
      title={t("kinds.pools")}
      flush={!!list.data?.length}
      actions={may && <Button onClick={() => setMaking(true)}>{t("pools.new")}</Button>}
    >
      <Loaded query={list} rows={6}>
        {(rows) => (
          <Table
            label={t("kinds.pools")}
            rows={rows}
            id={(row) => row.id}
            empty={<Empty title={t("pools.none")} />}
            more={list.more}
            columns={[
              {
                key: "name",
                head: t("holding.name"),
                cell: (row) => (
                  <button
                    type="button"
                    className="focusable text-primary rounded hover:underline"
                    onClick={() => setOpen(row)}
                  >
                    {row.name}
                  </button>
                ),
              },
              {
                key: "state",
                head: t("common.state"),
                cell: (row) => (
                  <Badge tone={row.status === "open" ? "good" : "plain"}>
                    {t(`poolStatus.${row.status}`)}
                  </Badge>
                ),
              },
              {
                key: "term",
                head: t("pool.term"),
                cell: (row) =>
                  row.termDays ? t("common.days", { count: row.termDays }) : t("pool.flexible"),
              },
              {
                key: "rate",
                head: t("pool.daily"),
                right: true,
                cell: (row) => <Percent ratio={row.dailyRate} exact />,
              },
              { key: "apr", head: t("pool.apr"), right: true, cell: (row) => <Percent ratio={row.apr} /> },
              {
                key: "next",
                head: t("pools.nextRate"),
                cell: (row) =>
                  row.nextRate ? (
                    <>
                      <Percent ratio={row.nextRate} exact /> · <Time at={row.nextRateFrom} />
                    </>
                  ) : (
                    "–"
                  ),
              },
              {
                key: "sold",
                head: t("pool.sold"),
                right: true,
                cell: (row) => <Money amount={row.soldAmount} asset={row.asset} />,
                sort: (row) => Number(row.soldAmount),
              },
              {
                key: "quota",
                head: t("pool.quota"),
                right: true,
                cell: (row) => <Money amount={row.totalQuota} asset={row.asset} />,
              },
              { key: "through", head: t("pool.through"), cell: (row) => row.accruedThrough },
            ]}
          />
        )}
      </Loaded>
      {making && <Make onClose={() => setMaking(false)} />}
      {open && <Steer product={open} onClose={() => setOpen(null)} />}
    </Card>
  )
}

function Make({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const [type, setType] = useState<Terms["type"]>("flexible")
  const [cadence, setCadence] = useState<Terms["cadence"]>("daily")
  const act = useAct(
    async (body: Terms, key) =>
      (await client.POST("/api/v1/pools/products", { params: { header: key }, body })).data!,
  )
  return (
    <Dialog title={t("pools.new")} onClose={onClose}>
      {act.data ? (
        <Asked id={act.data.approvalId} />
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            const held = given(event)
            act.mutate({
              name: held.name!,
              asset: "USDT",
              type,
              termDays: type === "fixed" ? Number(held.termDays) : null,
              cadence,
              dailyRate: held.dailyRate!,
              totalQuota: held.totalQuota!,
              minimum: held.minimum!,
              earlyExit: held.earlyExit === "on",
              earlyExitPenalty: held.earlyExitPenalty || "0",
            })
          }}
        >
          <Field name="name" label={t("keys.name")} maxLength={100} required error={act.refused("name")} />
          <div className="grid gap-3 sm:grid-cols-2">
            <Choice
              label={t("common.kind")}
              value={type}
              options={{ flexible: t("pool.flexible"), fixed: t("pools.fixed") }}
              onChange={setType}
            />
            <Choice
              label={t("pools.cadence")}
              value={cadence}
              options={{ daily: t("pools.everyDay"), weekly: t("pools.everyWeek") }}
              onChange={setCadence}
            />
          </div>
          {type === "fixed" && (
            <NumberField
              name="termDays"
              whole
              label={t("pools.termDays")}
              min={1}
              max={3650}
              required
              error={act.refused("termDays")}
            />
          )}
          <NumberField
            name="dailyRate"
            label={t("pool.daily")}
            hint={t("pools.rateHint")}
            required
            error={act.refused("dailyRate")}
          />
          <div className="grid gap-3 sm:grid-cols-2">
            <NumberField
              name="totalQuota"
              label={`${t("pool.quota")} (USDT)`}
              required
              error={act.refused("totalQuota")}
            />
            <NumberField
              name="minimum"
              label={`${t("pools.minimum")} (USDT)`}
              required
              error={act.refused("minimum")}
            />
          </div>
          {type === "fixed" && (
            <>
              <Check name="earlyExit" label={t("discover.earlyExit")} />
              <NumberField
                name="earlyExitPenalty"
                label={t("pools.penalty")}
                hint={t("pools.penaltyHint")}
                error={act.refused("earlyExitPenalty")}
              />
            </>
          )}
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending}>
            {t("asked.propose")}
          </Button>
        </form>
      )}
    </Dialog>
  )
}

/** One product's rates, another rate from a day on, and its end. */
function Steer({ product, onClose }: { product: Product; onClose: () => void }) {
  const { t } = useTranslation()
  const may = useMay("terms") && product.status === "open"
  const rates = api.useQuery("get", "/api/v1/pools/products/{product_id}/rates", {
    params: { path: { product_id: product.id } },
  })
  return (
    <Dialog title={product.name} onClose={onClose}>
      <Facts
        rows={[
          [t("pool.left"), <Money key="l" amount={product.quotaLeft} asset={product.asset} />],
          [t("pools.minimum"), <Money key="m" amount={product.minimum} asset={product.asset} />],
          [t("pools.cadence"), t(product.cadence === "daily" ? "pools.everyDay" : "pools.everyWeek")],
          [t("discover.earlyExit"), product.earlyExit ? t("common.yes") : t("common.no")],
        ]}
      />
      <Loaded query={rates}>
        {({ rates: dated }) => (
          <Table
            label={t("pools.rates")}
            rows={dated}
            id={(row) => row.fromDay}
            empty={t("state.nothing")}
            columns={[
              { key: "from", head: t("common.from"), cell: (row) => row.fromDay },
              {
                key: "rate",
                head: t("pool.daily"),
                right: true,
                cell: (row) => <Percent ratio={row.dailyRate} exact />,
              },
              { key: "by", head: t("trail.actor"), cell: (row) => row.setBy.slice(0, 24) },
              { key: "at", head: t("common.time"), cell: (row) => <Time at={row.setAt} /> },
            ]}
          />
        )}
      </Loaded>
      {may && <NewRate product={product} />}
      {may && <Close product={product} />}
    </Dialog>
  )
}

function NewRate({ product }: { product: Product }) {
  const { t } = useTranslation()
  const { dayAfter } = useBusinessTime()
  const act = useAct(
    async (body: { fromDay: string; dailyRate: string }, key) =>
      (
        await client.POST("/api/v1/pools/products/{product_id}/rates", {
          params: { path: { product_id: product.id }, header: key },
          body,
        })
      ).data!,
  )
  if (act.data) return <Asked id={act.data.approvalId} />
  return (
    <form
      className="space-y-3 border-t pt-3"
      onSubmit={(event) => {
        const { fromDay, dailyRate } = given(event)
        act.mutate({ fromDay: fromDay!, dailyRate: dailyRate! })
      }}
    >
      <h3 className="font-medium">{t("pools.newRate")}</h3>
      <div className="grid gap-3 sm:grid-cols-2">
        <NumberField
          name="dailyRate"
          label={t("pool.daily")}
          hint={t("pools.rateHint")}
          defaultValue={product.dailyRate}
          required
          error={act.refused("dailyRate")}
        />
        <Field
          name="fromDay"
          type="date"
          label={t("pools.fromDay")}
          hint={t("pools.fromDayHint")}
          defaultValue={dayAfter(2)}
          required
          error={act.refused("fromDay")}
        />
      </div>
      {act.error && <Failed error={act.error} />}
      <Button type="submit" intent="primary" disabled={act.isPending}>
        {t("asked.propose")}
      </Button>
    </form>
  )
}

function Close({ product }: { product: Product }) {
  const { t } = useTranslation()
  const act = useAct(
    async (_: void, key) =>
      (
        await client.POST("/api/v1/pools/products/{product_id}/close", {
          params: { path: { product_id: product.id }, header: key },
        })
      ).data!,
  )
  if (act.data) return <Asked id={act.data.approvalId} />
  return (
    <div className="space-y-2 border-t pt-3">
      <p className="text-muted-foreground">{t("pools.closeWhy")}</p>
      {act.error && <Failed error={act.error} />}
      <Button intent="danger" disabled={act.isPending} onClick={() => act.mutate()}>
        {t("pools.close")}
      </Button>
    </div>
  )
}
