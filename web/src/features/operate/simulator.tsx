import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Card, Figure, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Choice, Field, NumberField } from "@/ui/field"
import { AsOf, Money, Quantity } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"

type View = Schemas["SimulatorView"]
type Fault = Schemas["SimulatedFault"]
type Kind = Schemas["FaultKind"]

/** What goes wrong, on purpose, at the exchange that this site trades at, and what that exchange has. */
export default function Simulator() {
  const { t } = useTranslation()
  const seen = api.useQuery("get", "/api/v1/simulator", {}, { refetchInterval: 5_000 })
  return (
    <>
      <PageHead title={t("pages.simulator")} />
      <p className="text-muted-foreground">{t("simulator.why")}</p>
      <Loaded query={seen} rows={6}>
        {(view) => (
          <>
            <Script view={view} />
            <Kinds rows={view.kinds} />
            <Accounts view={view} />
          </>
        )}
      </Loaded>
    </>
  )
}

/** A fault in the reader's words; one that this console does not know yet in the exchange's own. */
function useWords() {
  const { t } = useTranslation()
  return (kind: string, does = kind) =>
    t(`simulatedFaults.${kind}` as "simulatedFaults.latency", { defaultValue: does })
}

function Script({ view }: { view: View }) {
  const { t } = useTranslation()
  const words = useWords()
  const may = useMay("venues")
  const [adding, setAdding] = useState(false)
  const act = useAct(
    async (faults: Fault[]) => (await client.PUT("/api/v1/simulator/faults", { body: { faults } })).data!,
    () => setAdding(false),
  )
  return (
    <Card
      title={t("simulator.script")}
      flush={!!view.faults.length}
      actions={
        may && (
          <div className="flex gap-2">
            <Button onClick={() => setAdding(true)}>{t("simulator.add")}</Button>
            {!!view.faults.length && (
              <Button disabled={act.isPending} onClick={() => act.mutate([])}>
                {t("simulator.clearAll")}
              </Button>
            )}
          </div>
        )
      }
    >
      {act.error && !adding && <Failed error={act.error} />}
      <Table
        label={t("simulator.script")}
        rows={view.faults.map((fault, place) => ({ ...fault, place }))}
        id={(row) => String(row.place)}
        empty={
          <Empty title={t("simulator.quiet")}>
            <p>{t("simulator.quietWhy")}</p>
          </Empty>
        }
        columns={[
          { key: "does", head: t("simulator.does"), cell: (row) => words(row.kind) },
          {
            key: "where",
            head: t("simulator.where"),
            cell: (row) => (row.matches ? <code>{row.matches}</code> : t("simulator.everywhere")),
          },
          {
            key: "chance",
            head: t("simulator.chance"),
            right: true,
            cell: (row) => `${Math.round(row.chance * 100)} %`,
          },
          {
            key: "times",
            head: t("simulator.times"),
            right: true,
            cell: (row) => (row.times == null ? t("simulator.always") : row.times),
          },
          {
            key: "ms",
            head: t("simulator.milliseconds"),
            right: true,
            cell: (row) => row.milliseconds || "–",
          },
          ...(may
            ? [
                {
                  key: "clear",
                  head: "",
                  cell: (row: Fault & { place: number }) => (
                    <Button
                      disabled={act.isPending}
                      onClick={() => act.mutate(view.faults.filter((_, place) => place !== row.place))}
                    >
                      {t("simulator.clear")}
                    </Button>
                  ),
                },
              ]
            : []),
        ]}
      />
      {adding && (
        <Add
          kinds={view.kinds}
          error={act.error}
          refused={act.refused}
          pending={act.isPending}
          onClose={() => setAdding(false)}
          set={(fault) => act.mutate([...view.faults, fault])}
        />
      )}
    </Card>
  )
}

function Add({
  kinds,
  error,
  refused,
  pending,
  onClose,
  set,
}: {
  kinds: Kind[]
  error: Error | null
  refused: (field: string) => React.ReactNode
  pending: boolean
  onClose: () => void
  set: (fault: Fault) => void
}) {
  const { t } = useTranslation()
  const words = useWords()
  const [kind, setKind] = useState(kinds[0]?.kind ?? "")
  return (
    <Dialog title={t("simulator.add")} onClose={onClose}>
      <form
        className="space-y-3"
        onSubmit={(event) => {
          const { matches, chance, times, milliseconds } = given(event)
          set({
            kind,
            matches: matches ?? "",
            chance: Number(chance) / 100,
            times: times ? Number(times) : null,
            milliseconds: Number(milliseconds || 0),
          })
        }}
      >
        <Choice
          label={t("simulator.does")}
          value={kind}
          options={Object.fromEntries(kinds.map((one) => [one.kind, words(one.kind, one.does)]))}
          onChange={setKind}
        />
        <Field
          name="matches"
          label={t("simulator.where")}
          hint={t("simulator.whereHint")}
          maxLength={100}
          error={refused("matches")}
        />
        <NumberField
          name="chance"
          label={t("simulator.chanceOf")}
          whole
          min={1}
          max={100}
          defaultValue="100"
          required
          error={refused("chance")}
        />
        <NumberField
          name="times"
          label={t("simulator.times")}
          hint={t("simulator.timesHint")}
          whole
          min={1}
          max={1_000_000}
          error={refused("times")}
        />
        <NumberField
          name="milliseconds"
          label={t("simulator.milliseconds")}
          hint={t("simulator.millisecondsHint")}
          whole
          max={600_000}
          error={refused("milliseconds")}
        />
        {error && <Failed error={error} />}
        <Button type="submit" intent="primary" disabled={pending}>
          {t("simulator.set")}
        </Button>
      </form>
    </Dialog>
  )
}

function Kinds({ rows }: { rows: Kind[] }) {
  const { t } = useTranslation()
  const words = useWords()
  return (
    <Card title={t("simulator.kinds")} flush>
      <Table
        label={t("simulator.kinds")}
        rows={rows}
        id={(row) => row.kind}
        empty={<Empty title={t("simulator.quiet")} />}
        columns={[
          { key: "does", head: t("simulator.does"), cell: (row) => words(row.kind, row.does) },
          { key: "kind", head: t("simulator.kind"), cell: (row) => <code>{row.kind}</code> },
          {
            key: "struck",
            head: t("simulator.struck"),
            right: true,
            cell: (row) => <Quantity value={row.struck} />,
            sort: (row) => row.struck,
          },
        ]}
      />
    </Card>
  )
}

function Accounts({ view }: { view: View }) {
  const { t } = useTranslation()
  const held = view.accounts.flatMap((one) => one.positions.map((each) => ({ ...each, account: one.name })))
  return (
    <>
      <div className="grid gap-4 sm:grid-cols-3">
        <Figure label={t("simulator.fund")} note={<AsOf at={view.now} />}>
          <Money amount={view.fund} asset="USDT" />
        </Figure>
        {view.accounts.map((one) => (
          <Figure
            key={one.name}
            label={t("simulator.wallet", { account: one.name })}
            note={t("simulator.resting", { count: one.open })}
          >
            <Money amount={one.wallet} asset="USDT" />
          </Figure>
        ))}
      </div>
      <Card title={t("simulator.positions")} flush={!!held.length}>
        <Table
          label={t("simulator.positions")}
          rows={held}
          id={(row) => `${row.account} ${row.symbol} ${row.side}`}
          empty={<Empty title={t("simulator.flat")} />}
          columns={[
            { key: "account", head: t("venues.account"), cell: (row) => row.account },
            { key: "symbol", head: t("simulator.contract"), cell: (row) => row.symbol },
            {
              key: "quantity",
              head: t("simulator.quantity"),
              right: true,
              cell: (row) => <Quantity value={row.quantity} />,
            },
            {
              key: "mark",
              head: t("simulator.mark"),
              right: true,
              cell: (row) => <Quantity value={row.mark} />,
            },
            {
              key: "profit",
              head: t("simulator.unrealised"),
              right: true,
              cell: (row) => <Money amount={row.unrealised} signed marked />,
            },
          ]}
        />
      </Card>
    </>
  )
}
