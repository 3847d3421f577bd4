import type { ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { Change, Id, Money, Percent, Quantity, Said, Time } from "@/ui/shown"
import { Loaded } from "@/ui/states"
import { useAccountKinds, useMovements } from "../invest/names"

type Chain = Schemas["commenda__managed__http__Trace"]
type Row = Record<string, string | number | null>

/** One subscription from the deposit to the last commission, as steps that people can read. */
export function Timeline({ id }: { id: string }) {
  const query = api.useQuery("get", "/api/v1/managed-subscriptions/{subscription_id}/trace", {
    params: { path: { subscription_id: id } },
  })
  return (
    <Loaded query={query} rows={6}>
      {(chain) => <Steps chain={chain} />}
    </Loaded>
  )
}

function Steps({ chain }: { chain: Chain }) {
  const { t } = useTranslation()
  const one = chain.subscription as Row
  const asset = String(one.asset)
  const [movement, called] = [useMovements(), useAccountKinds()]
  const rows = (part: keyof Chain) => chain[part] as unknown as Row[]
  const last = rows("nav").at(-1)
  const settled = rows("settlement")[0]
  const tries = new Map<number, Row[]>()
  for (const row of rows("liquidation"))
    tries.set(Number(row.attempt), [...(tries.get(Number(row.attempt)) ?? []), row])
  return (
    <ol className="border-l pl-5">
      <Step at={one.subscribedAt} title={t("trace.subscribed")}>
        <Money amount={String(one.amount)} asset={asset} />
      </Step>
      <Step title={t("trace.allocated", { count: rows("allocation").length })}>
        <Lines
          heads={[t("allocation.flow"), t("allocation.weight"), t("holding.amount")]}
          rows={rows("allocation").map((row) => [
            row.title,
            <Percent key="w" ratio={row.weight} />,
            <Money key="a" amount={String(row.amount)} asset={asset} />,
          ])}
        />
      </Step>
      {one.activatedAt && <Step at={one.activatedAt} title={t("trace.activated")} />}
      {rows("executions").length > 0 && (
        <Step
          at={rows("executions")[0]!.createdAt}
          title={t("trace.copied", { count: rows("executions").length })}
        >
          <Lines
            fold={t("trace.all")}
            heads={[
              t("common.time"),
              t("allocation.flow"),
              t("common.symbol"),
              t("common.quantity"),
              t("common.price"),
              t("common.state"),
            ]}
            rows={rows("executions").map((row) => [
              <Time key="t" at={String(row.createdAt)} />,
              row.title,
              row.symbol,
              <Quantity key="q" value={row.executedAmount ?? row.requested} />,
              <Quantity key="p" value={row.executedPrice} />,
              <>
                {t(`executionStatus.${row.status as "completed"}`, { defaultValue: String(row.status) })}{" "}
                {row.error && <Said words={String(row.error)} />}
              </>,
            ])}
          />
        </Step>
      )}
      {last && (
        <Step at={last.at} title={t("trace.valued")}>
          <Money amount={String(last.nav)} asset={asset} /> <Change ratio={String(last.return)} />
        </Step>
      )}
      {one.maturedAt && <Step at={one.maturedAt} title={t("trace.matured")} />}
      {one.liquidationRequestedAt && (
        <Step
          at={one.liquidationRequestedAt}
          title={t("trace.requested", { door: t(`doors.${one.liquidationDoor as "sweep"}`) })}
        />
      )}
      {[...tries.entries()].map(([attempt, parts]) => (
        <Step
          key={attempt}
          at={parts[0]!.begunAt}
          title={t("trace.try", {
            number: attempt + 1,
            outcome: t(`states.${parts[0]!.outcome as "LIQUIDATED"}`, {
              defaultValue: String(parts[0]!.outcome),
            }),
          })}
        >
          {parts[0]!.reason && (
            <p>
              <Said words={String(parts[0]!.reason)} />
            </p>
          )}
          {parts.some((row) => row.symbol) && (
            <Lines
              heads={[
                t("common.symbol"),
                t("common.side"),
                t("common.quantity"),
                t("trace.notional"),
                t("trace.fee"),
              ]}
              rows={parts.map((row) => [
                row.symbol,
                t(`signalTypes.${row.side as "buy"}`),
                <Quantity key="q" value={row.quantity} />,
                <Money key="n" amount={row.notional as string} asset={asset} />,
                <Money key="f" amount={row.fee as string} asset={asset} />,
              ])}
            />
          )}
        </Step>
      ))}
      {settled && (
        <Step at={settled.settledAt} title={t("trace.settled")}>
          <Lines
            heads={[
              t("settlement.equity"),
              t("fees.management"),
              t("fees.profitShare"),
              t("settlement.toReferrers"),
              t("settlement.toWallet"),
            ]}
            rows={[
              ["equity", "managementFee", "profitShare", "toReferrers", "toWallet"].map((part) => (
                <Money key={part} amount={String(settled[part])} asset={asset} />
              )),
            ]}
          />
        </Step>
      )}
      {rows("referral").length > 0 && (
        <Step title={t("trace.referred")}>
          <Lines
            heads={[t("trace.level"), t("trace.payee"), t("holding.amount"), t("trace.released")]}
            rows={rows("referral").map((row) => [
              row.level,
              <Id key="p" id={String(row.payeeId)} />,
              <Money key="a" amount={String(row.amount)} asset={asset} />,
              <Time key="r" at={(row.releasedAt ?? row.releaseAt) as string} />,
            ])}
          />
        </Step>
      )}
      <Step title={t("trace.journals", { count: rows("journals").length })}>
        <Lines
          fold={t("trace.all")}
          heads={[
            t("common.time"),
            t("trace.journal"),
            t("common.kind"),
            t("trace.account"),
            t("holding.amount"),
          ]}
          rows={rows("journals").map((row) => [
            <Time key="t" at={String(row.postedAt)} />,
            row.id,
            movement(String(row.kind)),
            called(String(row.account)),
            <Money key="a" amount={String(row.amount)} asset={asset} />,
          ])}
        />
      </Step>
    </ol>
  )
}

function Step({ at, title, children }: { at?: string | number | null; title: string; children?: ReactNode }) {
  return (
    <li className="relative pb-4 last:pb-0">
      <span className="bg-primary absolute top-1.5 -left-[1.55rem] size-2 rounded-full" aria-hidden />
      <h3 className="font-medium">{title}</h3>
      {at && (
        <p className="text-muted-foreground text-xs">
          <Time at={String(at)} />
        </p>
      )}
      {children && <div className="mt-1">{children}</div>}
    </li>
  )
}

/** A small table inside a step; a long one is folded. */
function Lines({
  heads,
  rows,
  fold,
}: {
  heads: readonly string[]
  rows: readonly (readonly ReactNode[])[]
  fold?: string
}) {
  const table = (
    // A region that scrolls must be reachable by keyboard.
    <div
      className="focusable max-h-96 relative overflow-auto rounded"
      tabIndex={0}
      role="region"
      aria-label={heads.join(", ")}
    >
      <table className="text-xs">
        <thead>
          <tr>
            {heads.map((head) => (
              <th
                key={head}
                scope="col"
                className="text-muted-foreground py-1 pr-6 text-left font-normal whitespace-nowrap"
              >
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, place) => (
                <td key={place} className="num py-0.5 pr-6 whitespace-nowrap">
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
  return fold && rows.length > 6 ? (
    <details>
      <summary className="focusable w-fit cursor-pointer rounded text-xs">{fold}</summary>
      {table}
    </details>
  ) : (
    table
  )
}
