import { isDay, useUrl } from "@/lib/url"
import { client, type Schemas } from "@/api/client"
import { useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { Button } from "@/ui/button"
import { PageHead } from "@/ui/card"
import { Choice, Field } from "@/ui/field"
import { Filter } from "@/ui/filter"
import { Empty, Failed, Loaded } from "@/ui/states"
import { useTranslation } from "react-i18next"
import { StatementSheet } from "./statement-sheet"

type Page = Schemas["StatementPage"]
type Scope = "wallet" | "all"
const DAY = 86_400_000
/** Entries on paper: a longer statement is a table, of which a program reads. */
const MOST_PRINTED = 10_000

/** One's own statement. */
export default function OwnStatement() {
  return <Statement owner={null} />
}

/** Anybody's, for the staff: whose is in the address. */
export function AnybodysStatement() {
  const { t } = useTranslation()
  const [owner] = useUrl("owner", "")
  return owner ? (
    <Statement key={owner} owner={owner} />
  ) : (
    <>
      <PageHead title={t("pages.statements")} />
      <Filter name="owner" label={t("statement.ownerId")} />
      <Empty title={t("statement.choose")} />
    </>
  )
}

function Statement({ owner }: { owner: string | null }) {
  const { t } = useTranslation()
  const [accounts, setAccounts] = useUrl<Scope>("accounts", "wallet", ["wallet", "all"])
  const [from, setFrom] = useUrl("from", "", isDay)
  const [to, setTo] = useUrl("to", "", isDay)
  const wanted = {
    accounts,
    ...(from ? { from: `${from}T00:00:00Z` } : {}),
    ...(to ? { to: new Date(Date.parse(to) + DAY).toISOString() } : {}),
  }
  const list = useList(
    ["statement", owner, accounts, from, to],
    async (cursor) => {
      const page = await ask(owner, { ...wanted, cursor })
      return { items: [page], nextCursor: page.nextCursor }
    },
    () => 60_000,
  )
  const csv = useAct(async () => {
    const query = { ...wanted, format: "csv" as const }
    const { data } = owner
      ? await client.GET("/api/v1/ledger/statements/{owner_id}", {
          params: { path: { owner_id: owner }, query },
          parseAs: "blob",
        })
      : await client.GET("/api/v1/wallet/statement", { params: { query }, parseAs: "blob" })
    const link = document.createElement("a")
    link.href = URL.createObjectURL(data as Blob)
    link.download = "statement.csv"
    link.click()
    URL.revokeObjectURL(link.href)
  })
  const entries = list.data?.[0]?.summary.reduce((sum, one) => sum + one.entries, 0) ?? 0
  const onPaper = useAct(async () => {
    for (let more = list.hasNextPage; more;) more = (await list.fetchNextPage()).hasNextPage
    print()
  })
  return (
    <>
      <PageHead title={t(owner ? "pages.statements" : "pages.statement")}>
        <div className="ml-auto flex flex-wrap gap-2" data-screen-only>
          <Button disabled={csv.isPending} onClick={() => csv.mutate(undefined)}>
            {t("statement.csv")}
          </Button>
          <Button
            disabled={onPaper.isPending || !list.data || entries > MOST_PRINTED}
            title={entries > MOST_PRINTED ? t("statement.tooLong", { count: MOST_PRINTED }) : undefined}
            onClick={() => onPaper.mutate(undefined)}
          >
            {t("statement.print")}
          </Button>
        </div>
      </PageHead>
      <div className="filters" data-screen-only>
        {owner && <Filter name="owner" label={t("statement.ownerId")} />}
        <Field
          label={t("common.from")}
          type="date"
          value={from}
          onChange={(event) => setFrom(event.target.value)}
        />
        <Field
          label={t("common.to")}
          type="date"
          value={to}
          onChange={(event) => setTo(event.target.value)}
        />
        <Choice
          label={t("statement.which")}
          value={accounts}
          options={{ wallet: t("statement.walletOnly"), all: t("statement.all") }}
          onChange={setAccounts}
        />
      </div>
      {csv.error && <Failed error={csv.error} />}
      {entries > MOST_PRINTED && (
        <p className="text-muted-foreground" data-screen-only>
          {t("statement.tooLong", { count: MOST_PRINTED })}
        </p>
      )}
      <Loaded query={list} rows={8}>
        {(pages) => <StatementSheet data={whole(pages)} more={list.more} />}
      </Loaded>
    </>
  )
}

type Asked = { accounts: Scope; from?: string; to?: string; cursor?: string }

async function ask(owner: string | null, query: Asked): Promise<Page> {
  const { data } = owner
    ? await client.GET("/api/v1/ledger/statements/{owner_id}", {
        params: { path: { owner_id: owner }, query },
      })
    : await client.GET("/api/v1/wallet/statement", { params: { query } })
  return data as Page // JSON, unless a table was asked for
}

/** What has come so far, as one page. */
const whole = (pages: readonly Page[]): Page => ({
  ...pages[0]!,
  accounts: pages.flatMap((page) => page.accounts),
  entries: pages.flatMap((page) => page.entries),
  nextCursor: pages.at(-1)!.nextCursor,
})
