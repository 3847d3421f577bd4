import { Link, useNavigate, useParams } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useList } from "@/lib/lists"
import { present, useUrl } from "@/lib/url"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Filter } from "@/ui/filter"
import { usePeriod } from "@/ui/period"
import { Id, Money, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { useAccountKinds, useMovements } from "../invest/names"
import { Owner } from "./owner"

/** Every journal, the newest first; one of them, with its entries, where the address names it. */
export default function Journals() {
  const { id } = useParams({ strict: false }) as { id?: string }
  return id ? <Journal id={id} /> : <List />
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

type Filters = "kind" | "actor" | "ruleVersion" | "amount" | "correlationId" | "key" | "since" | "until"

function List() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [kind] = useUrl("kind", "")
  const [actor] = useUrl("actor", "")
  const [seek] = useUrl("seek", "")
  const [ruleVersion] = useUrl("rule", "")
  const [amount] = useUrl("amount", "")
  const [period, periodFields] = usePeriod()
  const named = UUID.test(seek) ? "correlationId" : "key"
  const filters = present<Filters>({
    kind,
    actor,
    ruleVersion,
    amount,
    [named]: seek,
    since: period.from,
    until: period.to,
  })
  const list = useList(["journals", filters], async (cursor) => {
    const { data } = await client.GET("/api/v1/ledger/journals", {
      params: { query: { ...filters, cursor, limit: 200 } },
    })
    return data!
  })
  return (
    <>
      <PageHead title={t("pages.journals")} />
      <form
        className="filters"
        onSubmit={(event) => {
          event.preventDefault()
          // A number is one journal's: it is gone to.
          if (/^[0-9]+$/.test(seek)) void navigate({ to: `/journals/${seek}` })
        }}
      >
        <Filter name="seek" label={t("journal.seek")} />
        <Filter name="kind" label={t("common.kind")} />
        <Filter name="actor" label={t("trail.actor")} />
        <Filter name="rule" label={t("journal.rule")} />
        <Filter name="amount" label={t("holding.amount")} />
        {periodFields}
        <Button type="submit" size="md">
          {t("find.find")}
        </Button>
      </form>
      <Card flush>
        <Loaded query={list} rows={10}>
          {(rows) => <JournalTable rows={rows} more={list.more} />}
        </Loaded>
      </Card>
    </>
  )
}

export function JournalTable({
  rows,
  more,
}: {
  rows: readonly Schemas["JournalView"][]
  more?: { load: () => void; loading: boolean }
}) {
  const { t } = useTranslation()
  const movement = useMovements()
  return (
    <Table
      label={t("pages.journals")}
      rows={rows}
      id={(row) => String(row.id)}
      to={(row) => `/journals/${row.id}`}
      empty={<Empty title={t("journal.none")} />}
      more={more}
      columns={[
        { key: "id", head: t("trace.journal"), cell: (row) => row.id },
        {
          key: "kind",
          head: t("common.kind"),
          cell: (row) => <span title={row.kind}>{movement(row.kind)}</span>,
        },
        { key: "posted", head: t("proof.posted"), cell: (row) => <Time at={row.postedAt} /> },
        { key: "effective", head: t("proof.effective"), cell: (row) => <Time at={row.effectiveAt} /> },
        { key: "actor", head: t("trail.actor"), cell: (row) => row.actor.slice(0, 24) },
        { key: "entries", head: t("journal.entries"), right: true, cell: (row) => row.entryCount },
        { key: "key", head: t("journal.key"), cell: (row) => <code className="text-xs">{row.key}</code> },
      ]}
    />
  )
}

function Journal({ id }: { id: string }) {
  const { t } = useTranslation()
  const [movement, called] = [useMovements(), useAccountKinds()]
  const query = api.useQuery("get", "/api/v1/ledger/journals/{journal_id}", {
    params: { path: { journal_id: id }, query: { limit: 200 } },
  })
  return (
    <Loaded query={query} rows={8}>
      {(journal) => (
        <>
          <PageHead title={`${t("trace.journal")} ${journal.id}`} />
          <Card>
            <Facts
              rows={[
                [
                  t("common.kind"),
                  <span key="m" title={journal.kind}>
                    {movement(journal.kind)}
                  </span>,
                ],
                [t("journal.key"), journal.key],
                [t("proof.posted"), <Time key="p" at={journal.postedAt} seconds />],
                [t("proof.effective"), <Time key="e" at={journal.effectiveAt} seconds />],
                [t("trail.actor"), journal.actor],
                [t("journal.rule"), journal.ruleVersion],
                [
                  t("journal.correlation"),
                  <Link
                    key="c"
                    to="/trace"
                    search={{ name: journal.correlationId } as never}
                    className="text-primary hover:underline"
                  >
                    <Id id={journal.correlationId} />
                  </Link>,
                ],
                ...(["reverses", "reversedBy"] as const)
                  .filter((one) => journal[one] !== null)
                  .map(
                    (one) =>
                      [
                        t(`journal.${one}`),
                        <Link
                          key={one}
                          to={`/journals/${journal[one]}`}
                          className="text-primary hover:underline"
                        >
                          {journal[one]}
                        </Link>,
                      ] as const,
                  ),
                [t("proof.sealed"), journal.seal ?? t("common.no")],
              ]}
            />
          </Card>
          <Card title={t("journal.entries")} flush>
            <Table
              label={t("journal.entries")}
              rows={journal.entries}
              id={(row) => `${row.accountId}:${row.version}`}
              to={(row) => `/accounts/${row.accountId}`}
              empty={<Empty title={t("state.nothing")} />}
              columns={[
                {
                  key: "account",
                  head: t("proof.account"),
                  cell: (row) => (
                    <span title={row.accountKind}>{`${called(row.accountKind)} #${row.accountId}`}</span>
                  ),
                },
                { key: "owner", head: t("proof.owner"), cell: (row) => <Owner of={row} /> },
                {
                  key: "amount",
                  head: t("holding.amount"),
                  right: true,
                  cell: (row) => <Money amount={row.amount} asset={row.asset} signed />,
                },
                {
                  key: "before",
                  head: t("activity.before"),
                  right: true,
                  cell: (row) => <Money amount={row.balanceBefore} asset={row.asset} />,
                },
                {
                  key: "after",
                  head: t("activity.after"),
                  right: true,
                  cell: (row) => <Money amount={row.balanceAfter} asset={row.asset} />,
                },
              ]}
            />
          </Card>
        </>
      )}
    </Loaded>
  )
}
