import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Quantity, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { order, rounded } from "./readings"
import { RunStudy } from "./run-study"
import { everyWhile, Progress, State, Verdict } from "./study-marks"

/** What is being searched and what was, with the verdict on its best. */
export default function Studies() {
  const { t } = useTranslation()
  const [run, setRun] = useUrl("run", "")
  const list = useList(
    ["studies"],
    async (cursor) => {
      const { data } = await client.GET("/api/v1/optimizer/studies", {
        params: { query: { cursor, limit: 100 } },
      })
      return data!
    },
    (rows) => everyWhile(rows.some((one) => one.state === "running")),
  )
  return (
    <>
      <PageHead title={t("pages.studies")}>
        <Button intent="primary" className="ml-auto" onClick={() => setRun("new")}>
          {t("study.run")}
        </Button>
      </PageHead>
      <p className="text-muted-foreground">{t("study.warning")}</p>
      <Card flush>
        <Loaded query={list} rows={8}>
          {(rows) => (
            <Table
              label={t("pages.studies")}
              rows={rows}
              id={(row) => row.id}
              to={(row) => `/studies/${row.id}`}
              empty={<Empty title={t("study.none")} />}
              more={list.more}
              columns={[
                {
                  key: "strategy",
                  head: t("run.strategy"),
                  sort: (row) => row.strategy,
                  cell: (row) => row.strategy,
                },
                { key: "data", head: t("run.data"), sort: (row) => row.data, cell: (row) => row.data },
                { key: "sampler", head: t("study.sampler"), cell: (row) => t(`samplers.${row.sampler}`) },
                { key: "state", head: t("common.state"), cell: (row) => <State study={row} /> },
                { key: "ran", head: t("study.progress"), cell: (row) => <Progress study={row} /> },
                { key: "verdict", head: t("study.verdict"), cell: (row) => <Verdict grade={row.verdict} /> },
                {
                  key: "value",
                  head: t("study.value"),
                  right: true,
                  sort: (row) => order(row.value),
                  cell: (row) => <Quantity value={rounded(row.value)} />,
                },
                {
                  key: "at",
                  head: t("common.time"),
                  sort: (row) => row.createdAt,
                  cell: (row) => <Time at={row.createdAt} />,
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
      {run && <RunStudy strategy={run} onClose={() => setRun("")} />}
    </>
  )
}
