import { Link } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { isMinute, useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Card, PageHead } from "@/ui/card"
import { Choice, Field } from "@/ui/field"
import { Filter } from "@/ui/filter"
import { AsOf, Id, Money, Quantity, Said } from "@/ui/shown"
import { Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Chain, Proofs } from "./chain"
import { Evidence } from "./evidence"
import { useAccountKinds } from "../invest/names"

/** Whether the books agree: with themselves, with the venues, and with the chain that seals them. */
export default function Proof() {
  const { t } = useTranslation()
  const audit = useMay("audit")
  return (
    <>
      <PageHead title={t("pages.proof")} />
      {audit && <Proofs />}
      <Reconciled />
      <TrialBalance />
      {audit && <Chain />}
      {audit && <Evidence />}
    </>
  )
}

const PARTS = ["venue", "books", "liabilities", "transit", "holds"] as const

type Line = Schemas["Reconciliation"]["lines"][number]

function Reconciled() {
  const { t } = useTranslation()
  const passing = usePassing()
  const [part, setPart] = useUrl<"all" | Schemas["Part"]>("part", "all", ["all", ...PARTS])
  const [about] = useUrl("about", "")
  const query = api.useQuery("get", "/api/v1/ledger/reconciliation", { params: { query: {} } })
  const parts = Object.fromEntries(PARTS.map((one) => [one, t(`parts.${one}`)]))
  return (
    <Card
      title={t("proof.reconciliation")}
      flush
      actions={
        query.data && (
          <div className="flex gap-2">
            <Badge tone={query.data.reconciled ? "good" : "bad"}>
              {query.data.reconciled ? t("proof.agrees") : t("proof.differs")}
            </Badge>
            <AsOf at={query.data.asOf} />
          </div>
        )
      }
    >
      <div className="filters p-4 pb-2">
        <div>
          <Choice
            label={t("common.kind")}
            value={part}
            options={{ all: t("accounts.all"), ...parts } as Record<typeof part, string>}
            onChange={setPart}
          />
        </div>
        <Filter name="about" label={t("proof.about")} />
      </div>
      <Loaded query={query}>
        {(found) => (
          <Table
            label={t("proof.reconciliation")}
            rows={found.lines.filter(
              (line) =>
                (part === "all" || line.part === part) &&
                `${line.subject} ${passing(line)}`.toLowerCase().includes(about.toLowerCase()),
            )}
            id={(row) => `${row.part}:${row.subject}`}
            empty={t("state.nothing")}
            columns={[
              { key: "part", head: t("common.kind"), cell: (row) => t(`parts.${row.part}`) },
              { key: "subject", head: t("approvals.subject"), cell: (row) => <Subject of={row} /> },
              {
                key: "venue",
                head: t("proof.venue"),
                right: true,
                cell: (row) => <Money amount={row.venue} />,
              },
              {
                key: "ledger",
                head: t("proof.ledger"),
                right: true,
                cell: (row) => <Money amount={row.ledger} />,
              },
              {
                key: "explained",
                head: t("proof.explained"),
                right: true,
                cell: (row) => <Money amount={row.explained} />,
              },
              {
                key: "unexplained",
                head: t("proof.unexplained"),
                right: true,
                cell: (row) => <Money amount={row.unexplained} signed />,
              },
            ]}
          />
        )}
      </Loaded>
      {!!query.data?.leftOut.length && (
        <ul className="border-t p-4">
          {query.data.leftOut.map((one) => (
            <li key={one} className="text-warn">
              {t("passing.leftOut")} <Said words={one} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}

/** What only passes through, in the reader's words; anything else is named by codes. */
function usePassing() {
  const { t } = useTranslation()
  return ({ passing }: Line) => passing && t(`passing.${passing.kind}`, { of: passing.of })
}

function Subject({ of }: { of: Line }) {
  const { t } = useTranslation()
  const said = usePassing()(of)
  if (!said || !of.passing) return of.subject
  const { owner, account } = of.passing
  return (
    <>
      {said} {owner && <Id id={owner} />}{" "}
      {account && (
        <Link to={`/accounts/${account}`} className="focusable text-primary rounded underline">
          {t("passing.account", { account })}
        </Link>
      )}
    </>
  )
}

type By = "posted" | "effective"

/** Every kind of account as of any moment, by when it was written or by when it holds. */
function TrialBalance() {
  const { t } = useTranslation()
  const called = useAccountKinds()
  const [asOf, setAsOf] = useUrl("asOf", "", isMinute)
  const [by, setBy] = useUrl<By>("timeBy", "posted", ["posted", "effective"])
  const query = api.useQuery("get", "/api/v1/ledger/trial-balance", {
    params: { query: { by, ...(asOf ? { asOf: `${asOf}:00Z` } : {}) } },
  })
  return (
    <Card title={t("proof.trial")} actions={query.data && <AsOf at={query.data.asOf} />}>
      <div className="mb-3 filters">
        <Field
          label={t("proof.asOf")}
          type="datetime-local"
          value={asOf}
          onChange={(event) => setAsOf(event.target.value)}
        />
        <Choice
          label={t("proof.by")}
          value={by}
          options={{ posted: t("proof.posted"), effective: t("proof.effective") }}
          onChange={setBy}
        />
      </div>
      <Loaded query={query} rows={8}>
        {(balance) => (
          <>
            <p className="mb-2 flex flex-wrap gap-2">
              {balance.totals.map((total) => (
                <Badge key={total.asset} tone={/^-?0*(\.0*)?$/.test(total.balance) ? "good" : "bad"}>
                  {t("proof.sum")} <Money amount={total.balance} asset={total.asset} />
                </Badge>
              ))}
            </p>
            <Table
              label={t("proof.trial")}
              rows={balance.lines}
              id={(row) => `${row.asset}:${row.kind}:${row.ownerKind}:${row.transit}`}
              empty={t("state.nothing")}
              columns={[
                {
                  key: "kind",
                  head: t("proof.account"),
                  sort: (row) => row.kind,
                  cell: ({ kind, ownerKind, asset }) => (
                    <Link
                      to="/accounts"
                      search={{ kind, ownerKind, asset } as never}
                      className="focusable text-primary rounded hover:underline"
                    >
                      <span title={kind}>{called(kind)}</span>
                    </Link>
                  ),
                },
                { key: "owner", head: t("proof.owner"), cell: (row) => t(`owners.${row.ownerKind}`) },
                {
                  key: "accounts",
                  head: t("proof.accounts"),
                  right: true,
                  cell: (row) => <Quantity value={row.accounts} />,
                },
                {
                  key: "debit",
                  head: t("proof.debit"),
                  right: true,
                  cell: (row) => <Money amount={row.debit} asset={row.asset} />,
                },
                {
                  key: "credit",
                  head: t("proof.credit"),
                  right: true,
                  cell: (row) => <Money amount={row.credit} asset={row.asset} />,
                },
                {
                  key: "balance",
                  head: t("proof.balance"),
                  right: true,
                  cell: (row) => <Money amount={row.balance} asset={row.asset} />,
                },
              ]}
            />
          </>
        )}
      </Loaded>
    </Card>
  )
}
