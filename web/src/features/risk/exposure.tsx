import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useUrl } from "@/lib/url"
import { Button } from "@/ui/button"
import { Card, Figure, PageHead } from "@/ui/card"
import { AsOf, Money, Percent, Quantity, Statistic, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table, type Column } from "@/ui/table"
import { Segments } from "@/ui/tabs"
import { Books, type Behind } from "./books"

type By = "instrument" | "creator" | "venue"
type Held = Omit<Schemas["HeldVenue"], "venue" | "equity">
const BY = ["instrument", "creator", "venue"] as const

/** What all open books hold, by instrument, creator and venue, and the books behind a figure. */
export default function Exposure() {
  const { t } = useTranslation()
  const query = api.useQuery("get", "/api/v1/exposure")
  const [by, setBy] = useUrl<By>("by", "instrument", BY)
  const [of, setOf] = useUrl("of", "")
  const key = by === "instrument" ? "instrumentId" : by === "creator" ? "creatorId" : "venue"
  return (
    <>
      <PageHead title={t("pages.exposure")}>
        <Segments
          label={t("exposure.by")}
          value={by}
          options={BY.map((one) => [one, t(`exposure.by_${one}`)] as const)}
          onChange={(one) => (setOf(""), setBy(one))}
        />
        {query.data && <AsOf at={query.data.asOf} method={t("exposure.method")} />}
      </PageHead>
      <Loaded query={query} rows={8}>
        {(seen) => (
          <>
            {seen.totals.map((total) => (
              <Totals key={total.asset} total={total} />
            ))}
            <Sums by={by} seen={seen} of={of} choose={setOf} />
          </>
        )}
      </Loaded>
      {of && (
        <Books
          title={t("exposure.behind")}
          behind={{ [key]: key === "instrumentId" ? Number(of) : of } as Behind}
          actions={<Button onClick={() => setOf("")}>{t("common.close")}</Button>}
        />
      )}
    </>
  )
}

function Totals({ total }: { total: Schemas["HeldTotal"] }) {
  const { t } = useTranslation()
  return (
    <div className="grid gap-4 sm:grid-cols-2 xl:grid-cols-4">
      <Figure label={t("exposure.gross")} note={t("exposure.books", { count: total.books })}>
        <Money amount={total.gross} asset={total.asset} marked />
      </Figure>
      <Figure
        label={t("exposure.net")}
        note={
          <>
            {t("exposure.long")} <Money amount={total.long} marked /> · {t("exposure.short")}{" "}
            <Money amount={total.short} marked />
          </>
        }
      >
        <Money amount={total.net} asset={total.asset} signed marked />
      </Figure>
      <Figure
        label={t("exposure.equity")}
        note={
          <>
            {t("exposure.leverage")} <Statistic value={total.leverage} unit="×" /> ·{" "}
            {t("exposure.marginUsed")} <Money amount={total.marginUsed} marked />
          </>
        }
      >
        <Money amount={total.equity} asset={total.asset} marked />
      </Figure>
      <Figure
        label={t("exposure.nearest")}
        note={
          <>
            {t("exposure.concentration")} <Percent ratio={total.concentration} /> · {t("exposure.oldestMark")}{" "}
            <Time at={total.oldestMark} />
          </>
        }
      >
        <Percent ratio={total.nearest} />
      </Figure>
    </div>
  )
}

type Row = Held & { key: string; name: string } & Partial<
    Pick<Schemas["HeldInstrument"], "mark" | "markAsOf" | "longQuantity" | "shortQuantity" | "netQuantity">
  > & { equity?: string }

function Sums({
  by,
  seen,
  of,
  choose,
}: {
  by: By
  seen: Schemas["Exposure"]
  of: string
  choose: (of: string) => void
}) {
  const { t } = useTranslation()
  const rows: Row[] =
    by === "instrument"
      ? seen.instruments.map((one) => ({ ...one, key: String(one.instrumentId), name: one.symbol }))
      : by === "creator"
        ? seen.creators.map((one) => ({
            ...one,
            key: one.creatorId,
            name: one.creator ?? t("exposure.platform"),
          }))
        : seen.venues.map((one) => ({ ...one, key: one.venue, name: one.venue }))
  const netQuantity: Column<Row> = {
    key: "netQuantity",
    head: t("exposure.netQuantity"),
    right: true,
    cell: (row) => <Quantity value={row.netQuantity} />,
    sort: (row) => Number(row.netQuantity),
  }
  const money = (key: "long" | "short" | "gross" | "net", signed = false): Column<Row> => ({
    key,
    head: t(`exposure.${key}`),
    right: true,
    cell: (row) => <Money amount={row[key]} asset={row.asset} signed={signed} marked />,
    sort: (row) => Number(row[key]),
  })
  return (
    <Card title={t(`exposure.by_${by}`)} flush={rows.length > 0}>
      <Table
        label={t(`exposure.by_${by}`)}
        rows={rows}
        id={(row) => `${row.asset}:${row.key}`}
        empty={
          <Empty title={t("exposure.none")}>
            <p>{t("exposure.noneWhy")}</p>
          </Empty>
        }
        columns={[
          {
            key: "name",
            head: t(`exposure.by_${by}`),
            cell: (row) => (
              <button
                type="button"
                aria-pressed={row.key === of}
                className="focusable text-primary rounded hover:underline aria-pressed:font-semibold"
                onClick={() => choose(row.key === of ? "" : row.key)}
              >
                {row.name}
              </button>
            ),
            sort: (row) => row.name,
          },
          money("gross"),
          {
            key: "share",
            head: t("exposure.share"),
            right: true,
            cell: (row) => <Percent ratio={row.share} />,
            sort: (row) => Number(row.share),
          },
          money("net", true),
          money("long"),
          money("short"),
          ...(by === "instrument"
            ? [
                netQuantity,
                {
                  key: "longShort",
                  head: t("exposure.longShort"),
                  right: true,
                  cell: (row: Row) => (
                    <>
                      <Quantity value={row.longQuantity} /> / <Quantity value={row.shortQuantity} />
                    </>
                  ),
                },
                {
                  key: "mark",
                  head: t("exposure.mark"),
                  right: true,
                  cell: (row: Row) => <Quantity value={row.mark} />,
                },
                {
                  key: "markAsOf",
                  head: t("exposure.markAsOf"),
                  cell: (row: Row) => <Time at={row.markAsOf} />,
                },
              ]
            : [
                {
                  key: "equity",
                  head: t("exposure.equity"),
                  right: true,
                  cell: (row: Row) => <Money amount={row.equity} asset={row.asset} marked />,
                },
              ]),
          {
            key: "marginUsed",
            head: t("exposure.marginUsed"),
            right: true,
            cell: (row) => <Money amount={row.marginUsed} asset={row.asset} marked />,
          },
          {
            key: "nearest",
            head: t("exposure.nearest"),
            right: true,
            cell: (row) => <Percent ratio={row.nearest} />,
            sort: (row) => (row.nearest === null ? Infinity : Number(row.nearest)),
          },
          {
            key: "books",
            head: t("exposure.bookCount"),
            right: true,
            cell: (row) => row.books,
            sort: (row) => row.books,
          },
        ]}
      />
    </Card>
  )
}
