import { Link } from "@tanstack/react-router"
import { Check, Circle } from "lucide-react"
import { useMemo } from "react"
import { useTranslation } from "react-i18next"
import { api } from "@/api/client"
import { useUser } from "@/api/session"
import { isDecimal, isZero } from "@/lib/decimal"
import { useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, Figure, PageHead } from "@/ui/card"
import { AsOf, Change, Money, Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Segments } from "@/ui/tabs"
import { Authorise, Transfer } from "./transfer"

type Range = "day" | "month" | "year" | "all"
const RANGES = ["day", "month", "year", "all"] as const
const DAYS: Record<Exclude<Range, "all">, number> = { day: 1, month: 30, year: 365 }

export default function Home() {
  const { t } = useTranslation()
  const balances = api.useQuery("get", "/api/v1/wallet/balances")
  const worth = balances.data?.[0]
  return (
    <>
      <PageHead title={t("pages.home")}>
        {worth && <AsOf at={worth.asOf} />}
        <div className="ml-auto flex flex-wrap gap-2">
          <Transfer direction="deposit" />
          <Transfer direction="withdrawal" />
          <Authorise />
        </div>
      </PageHead>
      <FirstSteps funded={!!balances.data?.length} />
      {worth && <Earnings now={worth.asOf} />}
      <div className="grid gap-4 lg:grid-cols-2">
        <Card title={t("home.where")}>
          <Loaded query={balances}>
            {(all) =>
              all.length ? (
                all.map((one) => (
                  <Facts
                    key={one.asset}
                    rows={(
                      [
                        "available",
                        "reserved",
                        "inBooks",
                        "inPools",
                        "withdrawing",
                        "frozen",
                        "pendingReferral",
                      ] as const
                    ).map((part) => [
                      t(`worth.${part}`),
                      <Money key={part} amount={one[part]} asset={one.asset} />,
                    ])}
                  />
                ))
              ) : (
                <Empty title={t("home.nothingYet")} />
              )
            }
          </Loaded>
        </Card>
        <Maturing />
      </div>
    </>
  )
}

/** What was earned in a period, with every fee: the answer of one call, not a sum made here. */
function Earnings({ now }: { now: string }) {
  const { t } = useTranslation()
  const [range, setRange] = useUrl<Range>("range", "month", RANGES)
  const today = now.slice(0, 10)
  const from = useMemo(
    () =>
      range === "all"
        ? undefined
        : new Date(Date.parse(`${today}T00:00:00Z`) - (DAYS[range] - 1) * 86_400_000).toISOString(),
    [range, today],
  )
  const query = api.useQuery("get", "/api/v1/wallet/earnings", { params: { query: { from } } })
  const ranges = RANGES.map((one) => [one, t(`range.${one}`)] as const)
  return (
    <Loaded query={query}>
      {(earned) => (
        <>
          <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
            <Figure label={t("home.worth")} note={t("home.worthNote")}>
              <Money amount={earned.closing.total} asset={earned.asset} />
            </Figure>
            <Figure label={t("home.gain")} note={t(`home.over.${range}`)}>
              <Money amount={earned.gain} asset={earned.asset} signed />
            </Figure>
            <Figure label={t("home.twr")} note={t("home.twrNote")}>
              <Change ratio={earned.twr} />
            </Figure>
            <Figure label={t("home.xirr")} note={earned.xirr ? t("home.xirrNote") : t("home.xirrNone")}>
              <Change ratio={earned.xirr} />
            </Figure>
          </div>
          <Card
            title={t("home.earned")}
            actions={<Segments label={t("range.label")} value={range} options={ranges} onChange={setRange} />}
          >
            <div className="grid gap-x-10 gap-y-4 lg:grid-cols-2">
              <Facts
                rows={[
                  [t("earned.opening"), <Money key="o" amount={earned.opening.total} asset={earned.asset} />],
                  [t("earned.paidIn"), <Money key="i" amount={earned.paidIn} asset={earned.asset} />],
                  [t("earned.paidOut"), <Money key="p" amount={earned.paidOut} asset={earned.asset} />],
                  [t("earned.gain"), <Money key="g" amount={earned.gain} asset={earned.asset} signed />],
                  [t("earned.closing"), <Money key="c" amount={earned.closing.total} asset={earned.asset} />],
                ]}
              />
              <Facts
                rows={[
                  [
                    t("earned.beforeFees"),
                    <Money key="b" amount={earned.gainBeforeFees} asset={earned.asset} signed />,
                  ],
                  [t("earned.trading"), <Money key="t" amount={earned.fees.trading} asset={earned.asset} />],
                  [
                    t("earned.management"),
                    <Money key="m" amount={earned.fees.management} asset={earned.asset} />,
                  ],
                  [
                    t("earned.profitShare"),
                    <Money key="s" amount={earned.fees.profitShare} asset={earned.asset} />,
                  ],
                  ...(isZero(earned.fees.earlyExit)
                    ? []
                    : ([
                        [
                          t("earned.earlyExit"),
                          <Money key="x" amount={earned.fees.earlyExit} asset={earned.asset} />,
                        ],
                      ] as const)),
                  ...(isZero(earned.covered)
                    ? []
                    : ([
                        [t("earned.covered"), <Money key="v" amount={earned.covered} asset={earned.asset} />],
                      ] as const)),
                  [t("earned.income"), <Money key="n" amount={earned.income.total} asset={earned.asset} />],
                ]}
              />
            </div>
          </Card>
        </>
      )}
    </Loaded>
  )
}

function Maturing() {
  const { t } = useTranslation()
  const query = api.useQuery("get", "/api/v1/managed-subscriptions", {
    params: { query: { status: "ACTIVE", limit: 50 } },
  })
  return (
    <Card title={t("home.maturing")}>
      <Loaded query={query}>
        {({ items }) =>
          items.length ? (
            <ul className="space-y-2">
              {[...items]
                .sort((left, right) => (left.maturesAt ?? "").localeCompare(right.maturesAt ?? ""))
                .slice(0, 6)
                .map((one) => (
                  <li key={one.subscriptionId} className="flex flex-wrap items-center gap-2">
                    <Link
                      to={`/holdings/${one.subscriptionId}`}
                      className="focusable text-primary rounded hover:underline"
                    >
                      {t(`profiles.${one.product.profile}`)} ·{" "}
                      {t("common.days", { count: one.product.termDays })}
                    </Link>
                    <Money amount={one.performance.currentValue} asset={one.asset} />
                    <span className="text-muted-foreground ml-auto">
                      <Time at={one.maturesAt} />
                    </span>
                  </li>
                ))}
            </ul>
          ) : (
            <Empty title={t("home.noneMaturing")}>
              <Button asChild intent="primary">
                <Link to="/discover">{t("pages.discover")}</Link>
              </Button>
            </Empty>
          )
        }
      </Loaded>
    </Card>
  )
}

/** What a new account still has to do; gone when everything is done. */
function FirstSteps({ funded }: { funded: boolean }) {
  const { t } = useTranslation()
  const user = useUser()!
  const custody = api.useQuery("get", "/api/v1/participation/custody-auth", { params: { query: {} } })
  const managed = api.useQuery("get", "/api/v1/managed-subscriptions", { params: { query: { limit: 1 } } })
  if (!custody.data || !managed.data) return null
  const authorised = isDecimal(custody.data.limit) && /[1-9]/.test(custody.data.limit)
  const steps = [
    ["factor", user.secondFactor, "/account"],
    ["deposit", funded, "/home"],
    ["authorise", authorised, "/home"],
    ["subscribe", managed.data.items.length > 0, "/discover"],
  ] as const
  const left = steps.filter(([, done]) => !done).length
  if (!left || (funded && authorised && managed.data.items.length)) return null
  return (
    <Card title={t("steps.title")} actions={<Badge>{t("steps.left", { count: left })}</Badge>}>
      <ol className="grid gap-2 sm:grid-cols-2 lg:grid-cols-4">
        {steps.map(([step, done, to]) => (
          <li key={step} className="flex items-start gap-2">
            {done ? (
              <Check className="text-good mt-0.5 size-4" />
            ) : (
              <Circle className="mt-0.5 size-4 opacity-50" />
            )}
            <div>
              <Link to={to} className="focusable rounded font-medium hover:underline">
                {t(`steps.${step}`)}
              </Link>
              <p className="text-muted-foreground text-xs">{t(`steps.${step}Why`)}</p>
            </div>
          </li>
        ))}
      </ol>
    </Card>
  )
}
