import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { STATES, useNames } from "./names"
import { DecisionState } from "./parts"
import { SetAbility } from "./set-ability"
import { Told } from "./told"

type Ability = Schemas["AbilityView"]
const MODE_TONES: Record<Ability["mode"], Tone> = { off: "plain", recommending: "strong", acting: "good" }

/** What the machine may do by itself: how far each ability goes, what it decided last and what that brought. */
export default function Abilities() {
  const { t } = useTranslation()
  const may = useMay("automate")
  const [setting, setSetting] = useState<Ability | null>(null)
  const [looking, setLooking] = useState<Ability | null>(null)
  const abilities = api.useQuery("get", "/api/v1/automation/abilities")
  return (
    <>
      <PageHead title={t("pages.abilities")} />
      <p className="text-muted-foreground max-w-3xl">{t("abilities.why")}</p>
      <Loaded query={abilities} rows={8}>
        {(all) =>
          all.length ? (
            <div className="grid items-start gap-4 xl:grid-cols-2">
              {all.map((one) => (
                <One
                  key={one.name}
                  of={one}
                  onChange={may ? () => setSetting(one) : null}
                  onLook={() => setLooking(one)}
                />
              ))}
            </div>
          ) : (
            <Empty title={t("abilities.none")} />
          )
        }
      </Loaded>
      {setting && <SetAbility of={setting} onClose={() => setSetting(null)} />}
      {looking && <History of={looking} onClose={() => setLooking(null)} />}
    </>
  )
}

function One({ of, onChange, onLook }: { of: Ability; onChange: (() => void) | null; onLook: () => void }) {
  const { t } = useTranslation()
  const names = useNames()
  const special = of.settings.filter((one) => one.strategy)
  const counts = STATES.filter((state) => of.states[state])
  return (
    <Card
      title={
        <>
          <Badge tone={MODE_TONES[of.mode]}>{t(`abilities.modes.${of.mode}`)}</Badge> {names.ability(of.name)}
        </>
      }
      actions={
        <span className="flex gap-2">
          <Button onClick={onLook}>{t("abilities.history")}</Button>
          {onChange && <Button onClick={onChange}>{t("abilities.change")}</Button>}
        </span>
      }
    >
      <p className="mb-3">{names.about(of.name, of.about)}</p>
      <Facts
        rows={[
          [t("abilities.today"), `${of.today[""] ?? 0} / ${of.budget}`],
          [t("abilities.approval"), t(of.needsApproval ? "common.yes" : "common.no")],
          [t("abilities.rhythm"), <code key="cron">{of.cron}</code>],
          [t("abilities.rule"), <code key="rule">{of.rule}</code>],
          [t("abilities.undoable"), t(of.undoable ? "common.yes" : "common.no")],
          [t("abilities.opens"), t(of.opens ? "common.yes" : "common.no")],
          ...(special.length
            ? [
                [
                  t("abilities.strategies"),
                  special.map((one) => `${one.strategy}: ${t(`abilities.modes.${one.mode}`)}`).join(", "),
                ] as const,
              ]
            : []),
          [
            t("abilities.outcomes"),
            counts.map((state) => `${t(`decisions.states.${state}`)} ${of.states[state]}`).join(" · ") || "–",
          ],
        ]}
      />
      <h3 className="mt-4 mb-1 flex items-baseline justify-between font-medium">
        {t("abilities.last")}
        <Link
          to="/decisions"
          search={{ ability: of.name } as never}
          className="focusable text-primary rounded text-xs font-normal hover:underline"
        >
          {t("abilities.all")}
        </Link>
      </h3>
      {of.last.length ? (
        <ul className="divide-y">
          {of.last.map((one) => (
            <li key={one.id} className="space-y-1 py-1.5">
              <div className="flex flex-wrap items-center gap-2">
                <DecisionState state={one.state} />
                <Link
                  to={`/decisions/${one.id}`}
                  className="focusable text-primary min-w-0 flex-1 truncate rounded hover:underline"
                >
                  {names.action(one.action)} · {one.called}
                </Link>
                <Time at={one.decidedAt} />
              </div>
              {one.effect && (
                <div className="text-muted-foreground text-xs">
                  <Told value={one.effect} />
                </div>
              )}
            </li>
          ))}
        </ul>
      ) : (
        <p className="text-muted-foreground">{t("abilities.noDecision")}</p>
      )}
    </Card>
  )
}

function History({ of, onClose }: { of: Ability; onClose: () => void }) {
  const { t } = useTranslation()
  const names = useNames()
  const settings = api.useQuery("get", "/api/v1/automation/abilities/{name}/settings", {
    params: { path: { name: of.name } },
  })
  return (
    <Dialog title={names.ability(of.name)} onClose={onClose}>
      <Loaded query={settings} rows={3}>
        {(rows) => (
          <Table
            label={t("abilities.history")}
            rows={rows}
            id={(row) => row.id}
            empty={<Empty title={t("abilities.never")} />}
            columns={[
              { key: "since", head: t("common.time"), cell: (row) => <Time at={row.validFrom} /> },
              {
                key: "strategy",
                head: t("abilities.strategy"),
                cell: (row) => row.strategy || t("abilities.platform"),
              },
              { key: "mode", head: t("abilities.mode"), cell: (row) => t(`abilities.modes.${row.mode}`) },
              { key: "budget", head: t("abilities.budget"), right: true, cell: (row) => row.budget },
              { key: "reason", head: t("abilities.reason"), cell: (row) => row.reason },
            ]}
          />
        )}
      </Loaded>
    </Dialog>
  )
}
