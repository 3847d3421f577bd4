import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { formatAge } from "@/lib/format"
import { useList } from "@/lib/lists"
import { usePreferences } from "@/lib/preferences"
import { useUrl } from "@/lib/url"
import { Card, PageHead } from "@/ui/card"
import { Id, Money, Said, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Segments } from "@/ui/tabs"
import { Freezes } from "../operate/freezes"
import { Books } from "./books"
import { Positions } from "./positions"

type View = "books" | "positions" | "closings" | "freezes"
const VIEWS = ["books", "positions", "closings", "freezes"] as const

/** How near each book is to its end, what does not get closed, and what is held of wallets. */
export default function Margins() {
  const { t } = useTranslation()
  const [view, setView] = useUrl<View>("view", "books", VIEWS)
  return (
    <>
      <PageHead title={t("pages.margins")}>
        <Segments
          label={t("pages.margins")}
          value={view}
          options={VIEWS.map((one) => [one, t(`margins.${one}`)] as const)}
          onChange={setView}
        />
      </PageHead>
      {view === "books" && <AllBooks />}
      {view === "positions" && <Positions />}
      {view === "closings" && <Closings />}
      {view === "freezes" && <Freezes />}
    </>
  )
}

function AllBooks() {
  const { t } = useTranslation()
  return (
    <>
      <p className="text-muted-foreground max-w-3xl">{t("margins.why")}</p>
      <Books title={t("margins.books")} behind={{}} />
    </>
  )
}

function Closings() {
  const { t } = useTranslation()
  const preferences = usePreferences()
  const [failed, setFailed] = useUrl<"yes" | "no">("failed", "no", ["yes", "no"])
  const list = useList(["open-closings", failed], async (cursor) => {
    const { data } = await client.GET("/api/v1/exposure/closings", {
      params: { query: { failed: failed === "yes", cursor, limit: 100 } },
    })
    return data!
  })
  const shown = [
    ["no", t("margins.allClosings")],
    ["yes", t("margins.failed")],
  ] as const
  return (
    <Card
      title={t("margins.closings")}
      flush={!!list.data?.length}
      actions={<Segments label={t("common.state")} value={failed} options={shown} onChange={setFailed} />}
    >
      <Loaded query={list} rows={6}>
        {(rows) => (
          <Table
            label={t("margins.closings")}
            rows={rows}
            id={(row) => row.id}
            more={list.more}
            empty={<Empty title={t("operation.noneStuck")} />}
            to={(row) => (row.kind === "managed" ? `/subscriptions/${row.subject}` : "/margins")}
            columns={[
              { key: "subject", head: t("operation.subscription"), cell: (row) => <Id id={row.subject} /> },
              {
                key: "kind",
                head: t("common.kind"),
                cell: (row) => t(`bookKinds.${row.kind}` as "bookKinds.managed", { defaultValue: row.kind }),
              },
              { key: "owner", head: t("proof.owner"), cell: (row) => row.owner ?? t("exposure.platform") },
              {
                key: "attempts",
                head: t("liquidation.attempts"),
                right: true,
                cell: (row) => row.attempts,
                sort: (row) => row.attempts,
              },
              {
                key: "reason",
                head: t("liquidation.reason"),
                cell: (row) => <Said words={row.reason} />,
              },
              { key: "tried", head: t("margins.tried"), cell: (row) => <Time at={row.triedAt} /> },
              { key: "next", head: t("liquidation.next"), cell: (row) => <Time at={row.nextRetryAt} /> },
              {
                key: "age",
                head: t("margins.age"),
                right: true,
                cell: (row) => formatAge(row.ageSeconds, preferences),
                sort: (row) => row.ageSeconds,
              },
              {
                key: "part",
                head: t("margins.part"),
                right: true,
                cell: (row) =>
                  row.amount === null ? t("margins.whole") : <Money amount={row.amount} asset={row.asset} />,
              },
              { key: "by", head: t("margins.trigger"), cell: (row) => t(`doors.${row.trigger}`) },
              {
                key: "held",
                head: t("exposure.by_instrument"),
                cell: (row) => row.instruments.join(", ") || "–",
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
