import { useTranslation } from "react-i18next"
import { api, client } from "@/api/client"
import { useAct } from "@/lib/form"
import { keep } from "@/lib/keep"
import { useList } from "@/lib/lists"
import { present, useUrl } from "@/lib/url"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Choice } from "@/ui/field"
import { Filter } from "@/ui/filter"
import { Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { STATES, useNames } from "./names"
import { Because, DecisionState } from "./parts"

/** Every decision of the machine, the latest first; what agrees can be kept as evidence. */
export default function Decisions() {
  const { t } = useTranslation()
  const names = useNames()
  const abilities = api.useQuery("get", "/api/v1/automation/abilities")
  const [ability, setAbility] = useUrl("ability", "", (text) => /^[a-z-]*$/.test(text))
  const [state, setState] = useUrl<"" | (typeof STATES)[number]>("state", "", ["", ...STATES])
  const [target] = useUrl("target", "")
  const wanted = { ...present({ ability, target }), ...(state && { state }) }
  const list = useList(["decisions", wanted], async (cursor) => {
    const { data } = await client.GET("/api/v1/automation/decisions", {
      params: { query: { ...wanted, cursor, limit: 100 } },
    })
    return data!
  })
  const act = useAct(async () => {
    const { data } = await client.GET("/api/v1/automation/decisions/export", {
      params: { query: wanted },
      parseAs: "blob",
    })
    keep(data as unknown as Blob, "decisions.ndjson")
  })
  return (
    <>
      <PageHead title={t("pages.decisions")}>
        <div className="ml-auto">
          <Button disabled={act.isPending} onClick={() => act.mutate(undefined)}>
            {t("decisions.export")}
          </Button>
        </div>
      </PageHead>
      <p className="text-muted-foreground max-w-3xl">{t("decisions.why")}</p>
      {act.error && <Failed error={act.error} />}
      <div className="filters">
        <Choice
          label={t("decisions.ability")}
          value={ability}
          options={{
            "": t("decisions.any"),
            ...Object.fromEntries((abilities.data ?? []).map(({ name }) => [name, names.ability(name)])),
          }}
          onChange={setAbility}
        />
        <Choice
          label={t("decisions.state")}
          value={state}
          options={
            {
              "": t("decisions.any"),
              ...Object.fromEntries(STATES.map((one) => [one, t(`decisions.states.${one}`)])),
            } as Record<typeof state, string>
          }
          onChange={setState}
        />
        <Filter name="target" label={t("decisions.target")} />
      </div>
      <Card flush>
        <Loaded query={list} rows={8}>
          {(rows) => (
            <Table
              label={t("pages.decisions")}
              rows={rows}
              id={(row) => row.id}
              to={(row) => `/decisions/${row.id}`}
              more={list.more}
              empty={<Empty title={t("decisions.none")} />}
              columns={[
                { key: "at", head: t("common.time"), cell: (row) => <Time at={row.decidedAt} /> },
                { key: "ability", head: t("decisions.ability"), cell: (row) => names.ability(row.ability) },
                {
                  key: "state",
                  head: t("decisions.state"),
                  cell: (row) => <DecisionState state={row.state} />,
                },
                { key: "called", head: t("decisions.called"), cell: (row) => row.called },
                {
                  key: "action",
                  head: t("decisions.action"),
                  wide: true,
                  cell: (row) => names.action(row.action),
                },
                {
                  key: "because",
                  head: t("decisions.because"),
                  wide: true,
                  cell: (row) => <Because of={row.because} />,
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  )
}
