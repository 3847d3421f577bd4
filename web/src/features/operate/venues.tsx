import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useMay } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { useUrl } from "@/lib/url"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Field } from "@/ui/field"
import { Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Asked } from "./asked"

type Key = Schemas["VenueKey"]
type Check = Schemas["VenueCheck"]
const STATES: Record<Key["state"], Tone> = { waiting: "warn", active: "strong", removed: "plain" }
/** How accounts at an exchange of our own are named. */
const OURS = "simulated:"
/** How accounts begin whose keys have a passphrase: the venues' rows say so, and a test holds it to them. */
const PHRASED = ["okx_swap:"]
const OUTCOMES: Record<Check["outcome"], Tone> = { passed: "good", warned: "warn", failed: "bad" }

/** The accounts at exchanges, their keys, and what was seen when each was tried. */
export default function Venues() {
  const { t } = useTranslation()
  const may = useMay("venues")
  const [of, setOf] = useUrl("of", "")
  const [adding, setAdding] = useState(false)
  const keys = api.useQuery("get", "/api/v1/venues")
  const shown = keys.data?.find((one) => one.id === of) ?? keys.data?.[0]
  return (
    <>
      <PageHead title={t("pages.venues")}>
        {keys.data?.some((one) => one.account.startsWith(OURS)) && (
          <Button asChild>
            <Link to="/simulator">{t("simulator.open")}</Link>
          </Button>
        )}
        {may && <Button onClick={() => setAdding(true)}>{t("venues.add")}</Button>}
      </PageHead>
      <p className="text-muted-foreground">{t("venues.why")}</p>
      <Card title={t("venues.keys")} flush={!!keys.data?.length}>
        <Loaded query={keys} rows={3}>
          {(rows) => <Keys rows={rows} choose={setOf} />}
        </Loaded>
      </Card>
      {shown && <Seen key={shown.id} of={shown} may={may} />}
      {adding && <Add onClose={() => setAdding(false)} />}
    </>
  )
}

function Keys({ rows, choose }: { rows: Key[]; choose: (id: string) => void }) {
  const { t } = useTranslation()
  return (
    <Table
      label={t("venues.keys")}
      rows={rows}
      id={(row) => row.id}
      empty={
        <Empty title={t("venues.none")}>
          <p>{t("venues.noneWhy")}</p>
        </Empty>
      }
      columns={[
        {
          key: "account",
          head: t("venues.account"),
          cell: (row) => (
            <button
              type="button"
              className="focusable text-primary rounded hover:underline"
              onClick={() => choose(row.id)}
            >
              {row.account}
            </button>
          ),
          sort: (row) => row.account,
        },
        {
          key: "state",
          head: t("common.state"),
          cell: (row) => <Badge tone={STATES[row.state]}>{t(`venueStates.${row.state}`)}</Badge>,
        },
        {
          key: "sound",
          head: t("venues.outcome"),
          cell: (row) =>
            row.checkedAt ? (
              <Badge tone={row.sound ? "good" : "bad"}>
                {t(row.sound ? "venues.sound" : "venues.unsound")}
              </Badge>
            ) : (
              "–"
            ),
        },
        { key: "contact", head: t("venues.contact"), cell: (row) => <Contact of={row} /> },
        { key: "tried", head: t("venues.tried"), cell: (row) => <Time at={row.checkedAt} /> },
        { key: "hint", head: t("venues.hint"), cell: (row) => <code>{row.hint}</code> },
        { key: "address", head: t("venues.address"), cell: (row) => row.address ?? t("venues.own") },
        { key: "by", head: t("venues.addedBy"), cell: (row) => row.addedByName ?? row.addedBy },
        { key: "added", head: t("venues.added"), cell: (row) => <Time at={row.addedAt} /> },
      ]}
    />
  )
}

/** How an account stands now: whether it is left alone, answers, and is heard by itself. */
function Contact({ of }: { of: Key }) {
  const { t } = useTranslation()
  const [tone, state, at] = of.limitedUntil
    ? (["bad", "limited", of.limitedUntil] as const)
    : of.silentSince
      ? (["bad", "silent", of.silentSince] as const)
      : of.deafSince
        ? (["warn", "deaf", of.deafSince] as const)
        : (["good", "answers", of.answeredAt] as const)
  if (!at) return "–"
  return (
    <span className="whitespace-nowrap">
      <Badge tone={tone}>{t(`venueContacts.${state}`)}</Badge> <Time at={at} />
    </span>
  )
}

function Seen({ of, may }: { of: Key; may: boolean }) {
  const { t } = useTranslation()
  const [removing, setRemoving] = useState(false)
  const params = { path: { account: of.account } }
  const test = useAct(async () => (await client.POST("/api/v1/venues/{account}/test", { params })).data!)
  return (
    <Card
      title={t("venues.checks", { account: of.account })}
      flush
      actions={
        may && (
          <div className="flex gap-2">
            <Button disabled={test.isPending} onClick={() => test.mutate(undefined)}>
              {t(test.isPending ? "venues.testing" : "venues.test")}
            </Button>
            <Button intent="danger" onClick={() => setRemoving(true)}>
              {t("venues.remove")}
            </Button>
          </div>
        )
      }
    >
      {test.error && <Failed error={test.error} />}
      <Table
        label={t("venues.checks", { account: of.account })}
        rows={of.checks}
        id={(row) => row.name}
        empty={<Empty title={t("venues.tried")} />}
        columns={[
          { key: "check", head: t("venues.check"), cell: (row) => t(`venueChecks.${row.name}`) },
          {
            key: "outcome",
            head: t("venues.outcome"),
            cell: (row) => <Badge tone={OUTCOMES[row.outcome]}>{t(`venueOutcomes.${row.outcome}`)}</Badge>,
          },
          { key: "seen", head: t("venues.seen"), cell: (row) => <Words of={row} /> },
        ]}
      />
      {removing && <Remove of={of} onClose={() => setRemoving(false)} />}
    </Card>
  )
}

/** What a check saw, in the reader's language. */
function Words({ of }: { of: Check }) {
  const { t } = useTranslation()
  const { why, said } = of.figures
  if (why) return t("venueSeen.silent", { why })
  if (said) return t("venueSeen.refused", { said })
  const one = `venueSeen.${of.name}`
  return t([`${one}.${of.outcome}` as "venueSeen.key.passed", one as "venueSeen.key.passed"], {
    defaultValue: of.detail,
    ...of.figures,
  })
}

function Add({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const [phrased, setPhrased] = useState(false)
  const act = useAct(
    async (body: Schemas["NewVenueKey"], key) =>
      (await client.POST("/api/v1/venues", { params: { header: key }, body })).data!,
  )
  return (
    <Dialog title={t("venues.add")} onClose={onClose}>
      {act.data?.approvalId ? (
        <Asked id={act.data.approvalId} />
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            const { account, address, key, secret, passphrase } = given(event)
            act.mutate({
              account: account!,
              address: address || null,
              key: key!,
              secret: secret!,
              passphrase: passphrase || null,
            })
          }}
        >
          <p className="text-muted-foreground">{t("venues.addWhy")}</p>
          <Field
            name="account"
            label={t("venues.account")}
            hint={t("venues.accountHint")}
            defaultValue="binance_usdm:"
            required
            onInput={(event) => {
              const typed = event.currentTarget.value
              setPhrased(PHRASED.some((one) => typed.startsWith(one)))
            }}
            error={act.refused("account")}
          />
          <Field
            name="address"
            label={t("venues.address")}
            hint={t("venues.addressHint")}
            error={act.refused("address")}
          />
          <Field name="key" label={t("venues.key")} autoComplete="off" required error={act.refused("key")} />
          <Field
            name="secret"
            type="password"
            label={t("venues.secret")}
            autoComplete="off"
            required
            error={act.refused("secret")}
          />
          {phrased && (
            <Field
              name="passphrase"
              type="password"
              label={t("venues.passphrase")}
              hint={t("venues.passphraseHint")}
              autoComplete="off"
              required
              error={act.refused("passphrase")}
            />
          )}
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending}>
            {t(act.isPending ? "venues.testing" : "venues.add")}
          </Button>
        </form>
      )}
    </Dialog>
  )
}

function Remove({ of, onClose }: { of: Key; onClose: () => void }) {
  const { t } = useTranslation()
  const act = useAct(
    async () =>
      (await client.DELETE("/api/v1/venues/{account}", { params: { path: { account: of.account } } })).data!,
    onClose,
  )
  return (
    <Dialog title={`${t("venues.remove")} ${of.account}`} onClose={onClose}>
      <p className="text-muted-foreground">{t("venues.removeWhy")}</p>
      {act.error && <Failed error={act.error} />}
      <Button intent="danger" disabled={act.isPending} onClick={() => act.mutate(undefined)}>
        {t("venues.remove")}
      </Button>
    </Dialog>
  )
}
