import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Choice, Field, NumberField, Reason } from "@/ui/field"
import { Money, Named, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Asked } from "./asked"

type Hold = Schemas["HoldView"]
type Status = Schemas["HoldStatus"]
const UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
const STATUSES = ["held", "captured", "voided", "expired"] as const
const TONES: Record<Status, Tone> = { held: "warn", captured: "strong", voided: "plain", expired: "plain" }

/** What is held of wallets, whether for a withdrawal or by the staff; freezes are placed and lifted here. */
export function Freezes() {
  const { t } = useTranslation()
  const may = useMay("hold")
  const [status, setStatus] = useUrl<Status>("hold", "held", STATUSES)
  const [owner, setOwner] = useUrl("owner", "")
  const [placing, setPlacing] = useState(false)
  const [lifting, setLifting] = useState<Hold | null>(null)
  const whole = new RegExp(`^${UUID}$`).test(owner)
  const list = useList(["holds", status, whole && owner], async (cursor) => {
    const { data } = await client.GET("/api/v1/ledger/holds", {
      params: { query: { status, ...(whole ? { ownerId: owner } : {}), cursor, limit: 100 } },
    })
    return data!
  })
  const statuses = Object.fromEntries(STATUSES.map((one) => [one, t(`holdStatus.${one}`)])) as Record<
    Status,
    string
  >
  return (
    <>
      <div className="filters">
        <Choice label={t("common.state")} value={status} options={statuses} onChange={setStatus} />
        <Field
          label={t("freezes.owner")}
          value={owner}
          onChange={(event) => setOwner(event.target.value.trim())}
          error={owner && !whole ? t("freezes.wholeId") : undefined}
        />
        {may && (
          <Button intent="danger" size="md" onClick={() => setPlacing(true)}>
            {t("freezes.place")}
          </Button>
        )}
      </div>
      <Card title={t("money.freezes")} flush={!!list.data?.length}>
        <Loaded query={list} rows={6}>
          {(rows) => (
            <Table
              label={t("money.freezes")}
              rows={rows}
              id={(row) => String(row.id)}
              empty={<Empty title={t("freezes.none")} />}
              more={list.more}
              columns={[
                { key: "at", head: t("freezes.placed"), cell: (row) => <Time at={row.placedAt} /> },
                {
                  key: "owner",
                  head: t("proof.owner"),
                  cell: (row) => <Named id={row.ownerId} name={row.owner} />,
                },
                {
                  key: "amount",
                  head: t("holding.amount"),
                  right: true,
                  cell: (row) => <Money amount={row.amount} asset={row.asset} />,
                  sort: (row) => Number(row.amount),
                },
                {
                  key: "purpose",
                  head: t("freezes.purpose"),
                  cell: (row) =>
                    t(`holdPurposes.${row.purpose}` as "holdPurposes.freeze", { defaultValue: row.purpose }),
                },
                {
                  key: "state",
                  head: t("common.state"),
                  cell: (row) => <Badge tone={TONES[row.status]}>{t(`holdStatus.${row.status}`)}</Badge>,
                },
                {
                  key: "by",
                  head: t("trail.actor"),
                  cell: (row) => row.actorName ?? row.actor?.slice(0, 24) ?? "–",
                },
                {
                  key: "why",
                  head: t("freezes.reason"),
                  cell: (row) => (
                    <span title={row.reason ?? undefined}>{row.reason?.slice(0, 48) ?? "–"}</span>
                  ),
                },
                { key: "until", head: t("approvals.expires"), cell: (row) => <Time at={row.expiresAt} /> },
                { key: "resolved", head: t("freezes.resolved"), cell: (row) => <Time at={row.resolvedAt} /> },
                ...(may && status === "held"
                  ? [
                      {
                        key: "act",
                        head: "",
                        right: true,
                        cell: (row: Hold) =>
                          row.purpose === "freeze" && (
                            <Button className="h-6" onClick={() => setLifting(row)}>
                              {t("freezes.lift")}
                            </Button>
                          ),
                      },
                    ]
                  : []),
              ]}
            />
          )}
        </Loaded>
      </Card>
      {placing && <Place owner={whole ? owner : ""} onClose={() => setPlacing(false)} />}
      {lifting && <Lift hold={lifting} onClose={() => setLifting(null)} />}
    </>
  )
}

function Place({ owner, onClose }: { owner: string; onClose: () => void }) {
  const { t } = useTranslation()
  const act = useAct(
    async (body: { userId: string; amount: string; reason: string; expiresAt: string | null }, key) =>
      (
        await client.POST("/api/v1/ledger/holds", {
          params: { header: key },
          body: { ...body, asset: "USDT" },
        })
      ).data!,
    onClose,
  )
  return (
    <Dialog title={t("freezes.place")} onClose={onClose}>
      <form
        className="space-y-3"
        onSubmit={(event) => {
          const { userId, amount, reason, expiresAt } = given(event)
          act.mutate({
            userId: userId!,
            amount: amount!,
            reason: reason!,
            expiresAt: expiresAt ? `${expiresAt}:00Z` : null,
          })
        }}
      >
        <p className="text-muted-foreground">{t("freezes.why")}</p>
        <Field
          name="userId"
          label={t("freezes.owner")}
          pattern={UUID}
          title={t("freezes.wholeId")}
          defaultValue={owner}
          required
          error={act.refused("userId")}
        />
        <NumberField
          name="amount"
          label={t("common.amountIn", { asset: "USDT" })}
          required
          error={act.refused("amount")}
        />
        <Reason label={t("freezes.reason")} hint={t("freezes.reasonHint")} error={act.refused("reason")} />
        <Field
          name="expiresAt"
          type="datetime-local"
          label={t("freezes.until")}
          hint={t("freezes.untilHint")}
          error={act.refused("expiresAt")}
        />
        {act.error && <Failed error={act.error} />}
        <Button type="submit" intent="danger" disabled={act.isPending}>
          {t("freezes.place")}
        </Button>
      </form>
    </Dialog>
  )
}

function Lift({ hold, onClose }: { hold: Hold; onClose: () => void }) {
  const { t } = useTranslation()
  const act = useAct(
    async (_: void, key) =>
      (
        await client.POST("/api/v1/ledger/holds/{group}/void", {
          params: { path: { group: hold.group }, header: key },
        })
      ).data!,
  )
  return (
    <Dialog title={t("freezes.lift")} onClose={onClose}>
      <Facts
        rows={[
          [t("holding.amount"), <Money key="a" amount={hold.amount} asset={hold.asset} />],
          [t("proof.owner"), <Named key="o" id={hold.ownerId} name={hold.owner} />],
          [t("freezes.reason"), hold.reason ?? "–"],
          [t("freezes.placed"), <Time key="p" at={hold.placedAt} />],
        ]}
      />
      {act.data?.approvalId ? (
        <Asked id={act.data.approvalId} />
      ) : (
        <>
          <p className="text-muted-foreground">{t("freezes.liftWhy")}</p>
          {act.error && <Failed error={act.error} />}
          <Button intent="primary" disabled={act.isPending} onClick={() => act.mutate()}>
            {t("freezes.lift")}
          </Button>
        </>
      )}
    </Dialog>
  )
}
