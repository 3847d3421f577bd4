import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Choice, Field } from "@/ui/field"
import { Id, Money as Amount } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Segments } from "@/ui/tabs"
import { useProof } from "../account/proof"
import { Freezes } from "./freezes"

type Status = Schemas["EntryStatus"]
const VIEWS = ["bank", "freezes"] as const
const STATUSES = ["open", "matched", "reversed", "all"] as const
const TONES: Record<Status, Tone> = { open: "warn", matched: "good", reversed: "bad" }

/** Money at the door: what the bank says came and went, and what of a wallet is frozen. */
export default function MoneyPage() {
  const { t } = useTranslation()
  const [view, setView] = useUrl<(typeof VIEWS)[number]>("view", "bank", VIEWS)
  const mayRead = useMay("bank")
  const views = VIEWS.map((one) => [one, t(`money.${one}`)] as const)
  return (
    <>
      <PageHead title={t("pages.money")}>
        <Segments label={t("pages.money")} value={view} options={views} onChange={setView} />
      </PageHead>
      {view === "freezes" ? (
        <Freezes />
      ) : (
        <>
          {mayRead && <ReadIn />}
          <Entries />
        </>
      )}
    </>
  )
}

type Order = Schemas["StatementOrder"] & { word: string }

/** A bank's file, read in once: each entry is matched with what it stands for. */
function ReadIn() {
  const { t } = useTranslation()
  const proof = useProof()
  const [kind, setKind] = useState<Schemas["StatementKind"]>("camt053")
  const act = useAct(
    async ({ word, ...body }: Order, key) =>
      (
        await client.POST("/api/v1/bank/statements", {
          params: { header: { ...key, "X-Proof": word } },
          body,
        })
      ).data!,
  )
  return (
    <Card title={t("bank.readIn")}>
      <form
        className="space-y-3"
        onSubmit={(event) => {
          const file = new FormData(event.currentTarget).get("file") as File
          const { account } = given(event)
          proof.ask(
            (word) =>
              void file.text().then((content) => act.mutate({ word, kind, content, account: account ?? "" })),
          )
        }}
      >
        <p className="text-muted-foreground">{t("bank.why")}</p>
        <div className="grid items-start gap-3 sm:grid-cols-3">
          <Choice
            label={t("bank.format")}
            value={kind}
            options={{ camt053: "camt.053 (XML)", csv: "CSV" }}
            onChange={setKind}
          />
          <Field
            name="file"
            type="file"
            label={t("bank.file")}
            accept={kind === "csv" ? ".csv,text/csv" : ".xml,text/xml,application/xml"}
            className="py-1.5 text-xs"
            required
            error={act.refused("content")}
          />
          {kind === "csv" && (
            <Field
              name="account"
              label={t("bank.account")}
              hint={t("bank.accountHint")}
              maxLength={64}
              error={act.refused("account")}
            />
          )}
        </div>
        {act.error && <Failed error={act.error} />}
        {act.data && (
          <div role="status" className="max-w-sm">
            <Facts
              rows={(["entries", "new", "matched", "reversed", "open"] as const).map((count) => [
                t(`bank.counts.${count}`),
                act.data[count],
              ])}
            />
          </div>
        )}
        <Button type="submit" intent="primary" disabled={act.isPending}>
          {t("bank.readIn")}
        </Button>
      </form>
      {proof.window}
    </Card>
  )
}

function Entries() {
  const { t } = useTranslation()
  const [status, setStatus] = useUrl<Status | "all">("status", "open", STATUSES)
  const list = useList(["bank-entries", status], async (cursor) => {
    const { data } = await client.GET("/api/v1/bank/entries", {
      params: { query: { ...(status === "all" ? {} : { status }), cursor, limit: 100 } },
    })
    return data!
  })
  const statuses = STATUSES.map((one) => [one, t(`entryStatus.${one}`)] as const)
  return (
    <Card
      title={t("bank.entries")}
      flush={!!list.data?.length}
      actions={<Segments label={t("common.state")} value={status} options={statuses} onChange={setStatus} />}
    >
      <Loaded query={list} rows={6}>
        {(rows) => (
          <Table
            label={t("bank.entries")}
            rows={rows}
            id={(row) => row.id}
            empty={<Empty title={t("bank.none")} />}
            more={list.more}
            columns={[
              {
                key: "day",
                head: t("bank.booked"),
                cell: (row) => row.bookedOn,
                sort: (row) => row.bookedOn,
              },
              {
                key: "amount",
                head: t("holding.amount"),
                right: true,
                cell: (row) => (
                  <Amount
                    amount={row.direction === "debit" ? `-${row.amount}` : row.amount}
                    asset={row.currency}
                    signed
                  />
                ),
              },
              {
                key: "state",
                head: t("common.state"),
                cell: (row) => <Badge tone={TONES[row.status]}>{t(`entryStatus.${row.status}`)}</Badge>,
              },
              { key: "from", head: t("bank.counterparty"), cell: (row) => row.counterparty.slice(0, 40) },
              {
                key: "reference",
                head: t("transfer.reference"),
                cell: (row) => <span title={row.reference}>{row.reference.slice(0, 48)}</span>,
              },
              { key: "request", head: t("bank.request"), cell: (row) => <Id id={row.requestId} /> },
              { key: "account", head: t("bank.account"), cell: (row) => row.account },
              { key: "entry", head: t("bank.entryRef"), cell: (row) => row.entryRef },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
