import { Link, useParams } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api, client } from "@/api/client"
import { useList } from "@/lib/lists"
import { isMinute, present, useUrl } from "@/lib/url"
import { Card, Facts, PageHead } from "@/ui/card"
import { Choice, Field } from "@/ui/field"
import { Filter } from "@/ui/filter"
import { Id, Money, Quantity, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { useAccountKinds, useMovements } from "../invest/names"
import { Owner } from "./owner"

const OWNERS = ["investor", "creator", "platform", "product", "venue"] as const
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Every account, found by its kind, its asset or its owner; one of them, with its entries. */
export default function Accounts() {
  const { id } = useParams({ strict: false }) as { id?: string }
  return id ? <One id={id} /> : <List />
}

function List() {
  const { t } = useTranslation()
  const called = useAccountKinds()
  const [kind] = useUrl("kind", "")
  const [owner] = useUrl("owner", "")
  const [asset] = useUrl("asset", "")
  const [ownerKind, setOwnerKind] = useUrl<"all" | (typeof OWNERS)[number]>("ownerKind", "all", [
    "all",
    ...OWNERS,
  ])
  const list = useList(["accounts", kind, owner, asset, ownerKind], async (cursor) => {
    const query = {
      ...present<"kind" | "asset" | "owner" | "ownerId">({
        kind,
        asset,
        [UUID.test(owner) ? "ownerId" : "owner"]: owner,
      }),
      ...(ownerKind !== "all" && { ownerKind }),
      cursor,
      limit: 200,
    }
    const { data } = await client.GET("/api/v1/ledger/accounts", { params: { query } })
    return data!
  })
  const kinds = Object.fromEntries(OWNERS.map((one) => [one, t(`owners.${one}`)]))
  return (
    <>
      <PageHead title={t("pages.accounts")} />
      <div className="filters">
        <Filter name="owner" label={t("accounts.owner")} />
        <Filter name="kind" label={t("common.kind")} />
        <Filter name="asset" label={t("accounts.asset")} />
        <div>
          <Choice
            label={t("accounts.ownerKind")}
            value={ownerKind}
            options={{ all: t("accounts.all"), ...kinds } as Record<typeof ownerKind, string>}
            onChange={setOwnerKind}
          />
        </div>
      </div>
      <Card flush>
        <Loaded query={list} rows={10}>
          {(rows) => (
            <Table
              label={t("pages.accounts")}
              rows={rows}
              id={(row) => String(row.id)}
              to={(row) => `/accounts/${row.id}`}
              empty={<Empty title={t("accounts.none")} />}
              more={list.more}
              columns={[
                { key: "id", head: t("proof.account"), cell: (row) => row.id },
                {
                  key: "kind",
                  head: t("common.kind"),
                  cell: (row) => <span title={row.kind}>{called(row.kind)}</span>,
                },
                { key: "owner", head: t("proof.owner"), cell: (row) => <Owner of={row} /> },
                { key: "symbol", head: t("common.symbol"), cell: (row) => row.symbol },
                {
                  key: "balance",
                  head: t("proof.balance"),
                  right: true,
                  sort: (row) => Number(row.balance),
                  cell: (row) => <Money amount={row.balance} asset={row.asset} />,
                },
                {
                  key: "held",
                  head: t("accounts.held"),
                  right: true,
                  cell: (row) => <Money amount={row.held} asset={row.asset} />,
                },
                {
                  key: "entries",
                  head: t("journal.entries"),
                  right: true,
                  sort: (row) => row.version,
                  cell: (row) => <Quantity value={row.version} />,
                },
                { key: "last", head: t("accounts.last"), cell: (row) => <Time at={row.lastPostedAt} /> },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  )
}

function One({ id }: { id: string }) {
  const { t } = useTranslation()
  const [movement, called] = [useMovements(), useAccountKinds()]
  const [asOf, setAsOf] = useUrl("asOf", "", isMinute)
  const [by, setBy] = useUrl<"posted" | "effective">("timeBy", "posted", ["posted", "effective"])
  const query = api.useQuery("get", "/api/v1/ledger/accounts/{account_id}", {
    params: { path: { account_id: id }, query: { by, ...(asOf ? { asOf: `${asOf}:00Z` } : {}) } },
  })
  const list = useList(["account-entries", id], async (cursor) => {
    const { data } = await client.GET("/api/v1/ledger/accounts/{account_id}/entries", {
      params: { path: { account_id: id }, query: { cursor, limit: 200 } },
    })
    return data!
  })
  return (
    <Loaded query={query} rows={8}>
      {(account) => (
        <>
          <PageHead title={`${t("proof.account")} ${account.id}`} />
          <Card>
            <div className="mb-3 filters">
              <Field
                label={t("proof.asOf")}
                type="datetime-local"
                value={asOf}
                onChange={(event) => setAsOf(event.target.value)}
              />
              <div>
                <Choice
                  label={t("proof.by")}
                  value={by}
                  options={{ posted: t("proof.posted"), effective: t("proof.effective") }}
                  onChange={setBy}
                />
              </div>
            </div>
            <Facts
              rows={[
                [
                  t("common.kind"),
                  <span key="k" title={account.kind}>
                    {called(account.kind)}
                  </span>,
                ],
                [t("proof.owner"), <Owner key="o" of={account} />],
                [t("proof.balance"), <Money key="b" amount={account.balance} asset={account.asset} />],
                ...(account.asOf
                  ? [
                      [
                        <span key="a">
                          {t("proof.balance")} {t("common.asOf")} <Time at={account.asOf.at} />
                        </span>,
                        <Money key="v" amount={account.asOf.balance} asset={account.asset} />,
                      ] as const,
                    ]
                  : []),
                [t("accounts.held"), <Money key="h" amount={account.held} asset={account.asset} />],
                [t("common.symbol"), account.symbol ?? "–"],
                [
                  t("accounts.scope"),
                  account.scopeId ? (
                    <Link
                      key="s"
                      to="/trace"
                      search={{ name: account.scopeId } as never}
                      className="text-primary hover:underline"
                    >
                      <Id id={account.scopeId} />
                    </Link>
                  ) : (
                    "–"
                  ),
                ],
              ]}
            />
          </Card>
          <Card title={t("journal.entries")} flush>
            <Loaded query={list} rows={8}>
              {(rows) => (
                <Table
                  label={t("journal.entries")}
                  rows={rows}
                  id={(row) => String(row.version)}
                  to={(row) => `/journals/${row.journalId}`}
                  empty={<Empty title={t("accounts.noEntries")} />}
                  more={list.more}
                  columns={[
                    { key: "journal", head: t("trace.journal"), cell: (row) => row.journalId },
                    {
                      key: "kind",
                      head: t("common.kind"),
                      cell: (row) => <span title={row.journalKind}>{movement(row.journalKind)}</span>,
                    },
                    {
                      key: "posted",
                      head: t("proof.posted"),
                      cell: (row) => <Time at={row.postedAt} seconds />,
                    },
                    {
                      key: "effective",
                      head: t("proof.effective"),
                      cell: (row) => <Time at={row.effectiveAt} seconds />,
                    },
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
              )}
            </Loaded>
          </Card>
        </>
      )}
    </Loaded>
  )
}
