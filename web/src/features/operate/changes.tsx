import { Link } from "@tanstack/react-router"
import type { ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { Badge } from "@/ui/badge"
import { Card } from "@/ui/card"
import { Money, Percent, Quantity, Time } from "@/ui/shown"
import { Loaded } from "@/ui/states"

type Changed = Schemas["Changed"]
type Values = Record<string, unknown>

/** What a request changes: of each thing, the fields that differ, before and after. */
export function Changes({ changes }: { changes: readonly Changed[] }) {
  const { t } = useTranslation()
  if (!changes.length) return <p className="text-muted-foreground">{t("changes.unknown")}</p>
  return (
    <div className="space-y-3">
      {changes.map((one) => (
        <section key={one.id}>
          <h3 className="mb-1 font-medium">
            <Called one={one} linked />
          </h3>
          <table className="w-full text-sm">
            <thead className="text-muted-foreground text-left text-xs">
              <tr>
                <th className="py-1 pr-3 font-normal">{t("changes.field")}</th>
                <th className="py-1 pr-3 text-right font-normal">{t("changes.before")}</th>
                <th className="py-1 text-right font-normal">{t("changes.after")}</th>
              </tr>
            </thead>
            <tbody>
              {Object.keys(one.after).map((name) => {
                const [before, after] = [one.before[name], one.after[name]]
                const same = before === after
                return (
                  <tr key={name} className="border-t">
                    <td className="text-muted-foreground py-1 pr-3">
                      {t(`changes.fields.${name}` as "changes.fields.balance", { defaultValue: name })}
                    </td>
                    <td className="num py-1 pr-3 text-right">
                      <Value one={one} name={name} value={before} />
                    </td>
                    <td
                      className={same ? "num text-muted-foreground text-right" : "num text-right font-medium"}
                    >
                      {same ? t("changes.same") : <Value one={one} name={name} value={after} />}
                    </td>
                  </tr>
                )
              })}
            </tbody>
          </table>
        </section>
      ))}
    </div>
  )
}

/** In a list: what the first thing is, and how many more there are. */
export function Brief({ changes }: { changes: readonly Changed[] }) {
  const { t } = useTranslation()
  if (!changes[0]) return "–"
  return (
    <>
      <Called one={changes[0]} />
      {changes.length > 1 && ` ${t("changes.more", { count: changes.length - 1 })}`}
    </>
  )
}

/** What people know a thing by. */
function Called({ one, linked }: { one: Changed; linked?: boolean }): ReactNode {
  const { t } = useTranslation()
  const productName = useProductName()
  const called = one.called as Record<string, string>
  if (one.kind === "product") {
    const name = productName(called)
    return linked ? (
      <Link to={`/products/${one.id}`} className="focusable text-primary rounded underline">
        {name}
      </Link>
    ) : (
      name
    )
  }
  if (one.kind === "pool") return called.name
  if (one.kind === "user") return called.username
  if (one.kind === "venue") return called.account
  if (one.kind === "limit")
    return [
      t(`limits.measures.${called.measure as "leverage"}`),
      t(`limits.levels.${called.level as "flow"}`),
      called.subject === "*" ? t("limits.each") : called.subject,
    ]
      .filter(Boolean)
      .join(" · ")
  if (one.kind === "ability")
    return [
      t(`abilities.names.${called.ability as "rebalance"}`, { defaultValue: called.ability }),
      called.strategy || t("abilities.platform"),
    ].join(" · ")
  if (one.kind === "decision") {
    const name = [
      t(`abilities.names.${called.ability as "rebalance"}`, { defaultValue: called.ability }),
      called.name,
    ].join(" · ")
    return linked ? (
      <Link to={`/decisions/${one.id}`} className="focusable text-primary rounded underline">
        {name}
      </Link>
    ) : (
      name
    )
  }
  if (one.kind === "period") return t("changes.books")
  const asset = called.asset ?? ""
  if (one.kind === "wallet")
    return `${t("changes.wallet", { name: called.username })}${called.address ? ` → ${called.address}` : ""}`
  if (one.kind === "account") return [called.account, asset, called.username].filter(Boolean).join(" · ")
  return (
    <>
      {one.kind === "hold"
        ? t("changes.hold", { name: called.username })
        : t("changes.subscriptions", { count: Number(called.count) })}{" "}
      · <Money amount={called.amount} asset={asset} />
    </>
  )
}

/** A managed product is called by its profile, term and tier. */
export function useProductName() {
  const { t } = useTranslation()
  return (of: { [name: string]: unknown }) =>
    [
      t(`profiles.${of.profile as "balanced"}`),
      t("common.days", { count: Number(of.termDays) }),
      t(`tiers.${of.tier as "gold"}`, { defaultValue: String(of.tier) }),
    ].join(" · ")
}

const STATUS = { user: "userStatus", hold: "holdStatus", pool: "poolStatus" } as const

function Value({ one, name, value }: { one: Changed; name: string; value: unknown }) {
  const { t } = useTranslation()
  if (value === undefined || value === null) return "–"
  const text = String(value)
  const asset = ((one.called as Values).asset ?? (one.after as Values).asset) as string | undefined
  if (typeof value === "boolean") return t(value ? "common.yes" : "common.no")
  if (name === "effect") return t(`limits.effects.${text as "cancel"}`, { defaultValue: text })
  if (name === "mode") return t(`abilities.modes.${text as "acting"}`, { defaultValue: text })
  if (name === "terms")
    return (
      Object.entries(value as Values)
        .map(([name, figure]) => `${name}: ${String(figure)}`)
        .join(", ") || "–"
    )
  if (one.kind === "limit") return <Quantity value={text} />
  if (name === "annualReturn" || name === "earlyExitPenalty") return <Percent ratio={text} />
  if (name === "warningPercent" || name === "alertPercent") return `${text}%`
  if (name === "dailyRate") return <Quantity value={text} />
  if (name === "validFrom" || name === "closedUntil") return <Time at={text} />
  if (name === "balance" || name === "totalQuota" || name === "minimum")
    return <Money amount={text} asset={asset} />
  if (name === "role") return t(`roles.${text as "operator"}`)
  if (name === "state") return t(`states.${text as "MATURED"}`)
  if (name === "cadence") return t(text === "daily" ? "pools.everyDay" : "pools.everyWeek")
  if (name === "type") return t(text === "fixed" ? "pools.fixed" : "pool.flexible")
  if (name === "status" && one.kind in STATUS)
    return t(`${STATUS[one.kind as "user"]}.${text}` as "userStatus.active", { defaultValue: text })
  return text
}

/** What waits for somebody's decision about one thing, where it is looked at. */
export function Waiting({ subject }: { subject: string }) {
  const { t } = useTranslation()
  const may = useMay("approvals")
  const query = api.useQuery(
    "get",
    "/api/v1/approvals",
    { params: { query: { status: "requested", subject } } },
    { enabled: may },
  )
  if (!may) return null
  return (
    <Card title={t("changes.waiting")}>
      <Loaded query={query} rows={2}>
        {({ items }) =>
          items.length ? (
            <ul className="space-y-4">
              {items.map((one) => (
                <li key={one.id} className="space-y-2">
                  <p className="flex flex-wrap items-center gap-2">
                    <Badge tone="warn">
                      {t("approvalStatus.requested")} {one.approvedBy.length} / {one.needed}
                    </Badge>
                    {t("changes.askedBy", { name: one.requestedByName })} <Time at={one.requestedAt} />
                    <Link
                      to="/approvals"
                      search={{ open: one.id } as never}
                      className="focusable text-primary ml-auto rounded hover:underline"
                    >
                      {t("asked.see")}
                    </Link>
                  </p>
                  <Changes changes={one.changes.filter((change) => change.id === subject)} />
                </li>
              ))}
            </ul>
          ) : (
            <p className="text-muted-foreground">{t("changes.noneWaiting")}</p>
          )
        }
      </Loaded>
    </Card>
  )
}
