import { useMemo } from "react"
import { useTranslation } from "react-i18next"
import type { Schemas } from "@/api/client"
import { subtract } from "@/lib/decimal"
import { Card, Facts } from "@/ui/card"
import { Money, Quantity, Time } from "@/ui/shown"
import { Empty } from "@/ui/states"
import { Table } from "@/ui/table"
import { useAccountKinds, useMovements } from "./names"

type Page = Schemas["StatementPage"]
type Account = Schemas["StatementAccount"]
type Entry = Schemas["StatementEntry"]
/** A line of the sheet: an account's opening balance, one of its entries, or its closing balance. */
type Line = {
  key: string
  at: string
  account: Account
  entry: Entry | null
  what: "opening" | "closing" | null
  balance: string
}

/** What an owner has over a period: sums by kind of account, then each account from opening to closing. */
export function StatementSheet({
  data,
  more,
}: {
  data: Page
  more?: { load: () => void; loading: boolean }
}) {
  const { t } = useTranslation()
  const lines = useMemo(() => linesOf(data), [data])
  const called = useNames()
  const { coin, summary } = data
  const count = summary.reduce((sum, one) => sum + one.entries, 0)
  return (
    <>
      <Card title={t("statement.title")}>
        <Facts
          rows={[
            [
              t("statement.owner"),
              <span key="o">
                {data.owner} <code className="text-muted-foreground text-xs">{data.userId}</code>
              </span>,
            ],
            [
              t("statement.period"),
              <span key="p">
                <Time at={data.from} seconds /> – <Time at={data.to} seconds />
              </span>,
            ],
            [t("statement.currency"), coin],
            [t("statement.drawnUp"), <Time key="d" at={data.drawnUpAt} seconds />],
          ]}
        />
        <p className="text-muted-foreground mt-3 text-xs">{t("statement.proof")}</p>
      </Card>
      <Card title={t("statement.summary")} flush>
        <Table
          label={t("statement.summary")}
          rows={summed(data)}
          id={(row) => row.kind}
          empty={<Empty title={t("statement.none")} />}
          columns={[
            {
              key: "kind",
              head: t("statement.account"),
              cell: (row) =>
                row.kind === TOTAL ? <strong>{t("statement.total")}</strong> : called.account(row.kind),
            },
            {
              key: "accounts",
              head: t("statement.accounts"),
              right: true,
              cell: (row) => <Quantity value={row.accounts} />,
            },
            {
              key: "entries",
              head: t("statement.entries"),
              right: true,
              cell: (row) => <Quantity value={row.entries} />,
            },
            {
              key: "opening",
              head: t("statement.opening"),
              right: true,
              cell: (row) => <Money amount={row.opening} asset={coin} />,
            },
            {
              key: "change",
              head: t("statement.change"),
              right: true,
              cell: (row) => <Money amount={subtract(row.closing, row.opening)} asset={coin} signed />,
            },
            {
              key: "closing",
              head: t("statement.closing"),
              right: true,
              cell: (row) => <Money amount={row.closing} asset={coin} />,
            },
          ]}
        />
      </Card>
      <Card
        title={t("statement.lines")}
        actions={
          <span className="text-muted-foreground num text-xs">
            {t("statement.shown", { shown: data.entries.length, count })}
          </span>
        }
        flush
      >
        <Table
          label={t("statement.lines")}
          rows={lines}
          id={(row) => row.key}
          empty={<Empty title={t("statement.none")} />}
          more={more}
          columns={[
            { key: "at", head: t("common.time"), cell: (row) => <Time at={row.at} seconds /> },
            {
              key: "account",
              head: t("statement.account"),
              cell: ({ account }) => (
                <>
                  {called.account(account.kind)}{" "}
                  <small className="text-muted-foreground" title={account.scopeId ?? undefined}>
                    #{account.accountId}
                    {account.symbol && ` ${account.symbol}`}
                  </small>
                </>
              ),
            },
            {
              key: "what",
              head: t("common.kind"),
              cell: ({ what, entry }) =>
                what ? <strong>{t(`statement.${what}`)}</strong> : called.movement(entry!),
            },
            {
              key: "amount",
              head: t("holding.amount"),
              right: true,
              cell: ({ entry }) => entry && <Money amount={entry.amount} asset={coin} signed />,
            },
            {
              key: "balance",
              head: t("statement.balance"),
              right: true,
              cell: ({ what, balance }) => {
                const money = <Money amount={balance} asset={coin} />
                return what ? <strong>{money}</strong> : money
              },
            },
            {
              key: "ref",
              head: t("activity.reference"),
              cell: ({ entry }) =>
                entry && (
                  <code
                    title={entry.refNo}
                    className="paper:w-40 paper:break-all paper:whitespace-normal block max-w-52 truncate text-xs"
                  >
                    {entry.refNo}
                  </code>
                ),
            },
          ]}
        />
      </Card>
    </>
  )
}

const TOTAL = "total"

/** The sums by kind with their total beneath, where there are several. */
function summed({ summary, opening, closing }: Page) {
  if (summary.length < 2) return summary
  const total = (of: "accounts" | "entries") => summary.reduce((sum, one) => sum + one[of], 0)
  return [
    ...summary,
    { kind: TOTAL, accounts: total("accounts"), entries: total("entries"), opening, closing },
  ]
}

/** Each account's lines, one account after the other; the last has its closing once all of it has come. */
function linesOf({ accounts, entries, from, to, nextCursor }: Page): Line[] {
  const of = new Map<number, Entry[]>()
  for (const entry of entries) {
    const known = of.get(entry.accountId)
    if (known) known.push(entry)
    else of.set(entry.accountId, [entry])
  }
  return accounts.flatMap((account, place) => {
    const line = (what: "opening" | "closing"): Line => ({
      key: `${account.accountId}:${what}`,
      at: what === "opening" ? from : to,
      account,
      entry: null,
      what,
      balance: account[what],
    })
    const moved = of.get(account.accountId) ?? []
    const ended = place < accounts.length - 1 || !nextCursor
    return [
      line("opening"),
      ...moved.map((entry): Line => ({
        key: `${account.accountId}:${entry.version}`,
        at: entry.createdAt,
        account,
        entry,
        what: null,
        balance: entry.balanceAfter,
      })),
      ...(ended ? [line("closing")] : []),
    ]
  })
}

/** What accounts and movements are called; what has no name here is shown as the books have it. */
function useNames() {
  const { t } = useTranslation()
  const movement = useMovements()
  return {
    account: useAccountKinds(),
    movement: ({ type, remark }: Entry) => {
      const named = movement(remark)
      const kind = type && t(`logTypes.${type}`)
      return kind && kind !== named ? `${kind} · ${named}` : named
    },
  }
}
