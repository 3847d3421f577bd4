import { useState } from "react"
import { useTranslation } from "react-i18next"
import { api, client } from "@/api/client"
import { useUser, type Permission } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Check, Field } from "@/ui/field"
import { Id, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { useProof } from "./proof"
import { SecondFactor } from "./second-factor"

export default function Account() {
  const { t } = useTranslation()
  const user = useUser()!
  return (
    <>
      <PageHead title={t("pages.account")}>
        <Badge>{t(`roles.${user.role}`)}</Badge>
        <span className="text-muted-foreground">{user.username}</span>
        <Id id={user.id} />
      </PageHead>
      <div className="grid gap-4 lg:grid-cols-2">
        <SecondFactor />
        <Password />
      </div>
      <Sessions />
      <Keys />
    </>
  )
}

function Password() {
  const { t } = useTranslation()
  const user = useUser()!
  const act = useAct(
    async (body: { current: string; new: string; totpCode?: string; revokeKeys: boolean }) => {
      await client.POST("/api/v1/auth/password", { body })
    },
  )
  return (
    <Card title={t("password.title")}>
      <form
        className="space-y-3"
        onSubmit={(event) => {
          const form = event.currentTarget
          const { current, next, code, revokeKeys } = given(event)
          act.mutate(
            {
              current: current!,
              new: next!,
              revokeKeys: revokeKeys === "on",
              ...(code ? { totpCode: code } : {}),
            },
            { onSuccess: () => form.reset() },
          )
        }}
      >
        <Field
          name="current"
          type="password"
          label={t("password.current")}
          autoComplete="current-password"
          required
        />
        <Field
          name="next"
          type="password"
          label={t("password.next")}
          hint={t("register.passwordHint")}
          autoComplete="new-password"
          minLength={10}
          required
          error={act.refused("new")}
        />
        {user.secondFactor && (
          <Field name="code" label={t("signIn.code")} autoComplete="one-time-code" required />
        )}
        <Check name="revokeKeys" label={t("password.revokeKeys")} />
        {act.error && <Failed error={act.error} />}
        {act.isSuccess && <p role="status">{t("password.changed")}</p>}
        <Button type="submit" disabled={act.isPending}>
          {t("password.title")}
        </Button>
      </form>
    </Card>
  )
}

const BROWSERS = { Edg: "Edge", OPR: "Opera", Firefox: "Firefox", Chrome: "Chrome", Safari: "Safari" }
const SYSTEMS = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"]

/** Which browser on which system, as people call them: the first that fits, since most claim to be several. */
function browserOf(agent: string) {
  const browser = Object.entries(BROWSERS).find(([mark]) => agent.includes(`${mark}/`))?.[1]
  const system = SYSTEMS.find((one) => agent.includes(one))
  return [browser, system].filter(Boolean).join(" · ") || agent.slice(0, 48)
}

function Sessions() {
  const { t } = useTranslation()
  const query = api.useQuery("get", "/api/v1/auth/sessions")
  const end = useAct(async (id: string) => {
    await client.DELETE("/api/v1/auth/sessions/{session_id}", { params: { path: { session_id: id } } })
  })
  return (
    <Card title={t("sessions.title")} flush={!!query.data}>
      {end.error && <Failed error={end.error} />}
      <Loaded query={query}>
        {(sessions) => (
          <Table
            label={t("sessions.title")}
            rows={sessions}
            id={(row) => row.id}
            empty={t("state.nothing")}
            columns={[
              { key: "since", head: t("sessions.since"), cell: (row) => <Time at={row.createdAt} /> },
              { key: "address", head: t("sessions.address"), cell: (row) => row.address },
              {
                key: "agent",
                head: t("sessions.agent"),
                cell: (row) => <span title={row.userAgent}>{browserOf(row.userAgent)}</span>,
              },
              {
                key: "factor",
                head: t("factor.title"),
                cell: (row) => (row.secondFactor ? t("common.yes") : t("common.no")),
              },
              {
                key: "act",
                head: "",
                right: true,
                cell: (row) =>
                  row.current ? (
                    <Badge tone="strong">{t("sessions.this")}</Badge>
                  ) : (
                    <Button
                      intent="danger"
                      className="h-6"
                      disabled={end.isPending}
                      onClick={() => end.mutate(row.id)}
                    >
                      {t("sessions.end")}
                    </Button>
                  ),
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}

function Keys() {
  const { t } = useTranslation()
  const user = useUser()!
  const query = api.useQuery("get", "/api/v1/auth/api-keys")
  const proof = useProof()
  const [making, setMaking] = useState(false)
  const make = useAct(
    async ({ word, ...body }: { word: string; name: string; scopes: Permission[] }) =>
      (await client.POST("/api/v1/auth/api-keys", { params: { header: { "X-Proof": word } }, body })).data!,
    () => setMaking(false),
  )
  const revoke = useAct(async (id: string) => {
    await client.DELETE("/api/v1/auth/api-keys/{key_id}", { params: { path: { key_id: id } } })
  })
  return (
    <Card
      title={t("keys.title")}
      flush={!!query.data?.length && !making}
      actions={<Button onClick={() => setMaking(!making)}>{t("keys.make")}</Button>}
    >
      {(make.error ?? revoke.error) && <Failed error={(make.error ?? revoke.error)!} />}
      {make.data && (
        <p className="border-warn/40 bg-warn/5 m-4 rounded-lg border p-3 break-all">
          {t("keys.once")} <code>{make.data.secret}</code>
        </p>
      )}
      {making && (
        <form
          className="space-y-3 pb-4"
          onSubmit={(event) => {
            const held = new FormData(event.currentTarget)
            const { name } = given(event)
            const scopes = held.getAll("scopes") as Permission[]
            proof.ask((word) => make.mutate({ word, name: name!, scopes }))
          }}
        >
          <Field name="name" label={t("keys.name")} required maxLength={64} />
          <fieldset className="space-y-1">
            <legend className="mb-1 text-xs font-medium">{t("keys.scopes")}</legend>
            <div className="grid grid-cols-2 gap-1 sm:grid-cols-4">
              {user.permissions.map((permission) => (
                <Check
                  key={permission}
                  name="scopes"
                  value={permission}
                  label={t(`permissions.${permission}`)}
                />
              ))}
            </div>
          </fieldset>
          <Button type="submit" intent="primary">
            {t("keys.make")}
          </Button>
        </form>
      )}
      {proof.window}
      <Loaded query={query}>
        {(keys) => (
          <Table
            label={t("keys.title")}
            rows={keys}
            id={(row) => row.id}
            empty={<Empty title={t("keys.none")} />}
            columns={[
              { key: "name", head: t("keys.name"), cell: (row) => row.name },
              {
                key: "scopes",
                head: t("keys.scopes"),
                cell: (row) => row.scopes.map((scope) => t(`permissions.${scope}`)).join(", "),
              },
              { key: "made", head: t("keys.made"), cell: (row) => <Time at={row.createdAt} /> },
              {
                key: "act",
                head: "",
                right: true,
                cell: (row) => (
                  <Button
                    intent="danger"
                    className="h-6"
                    disabled={revoke.isPending}
                    onClick={() => revoke.mutate(row.id)}
                  >
                    {t("keys.revoke")}
                  </Button>
                ),
              },
            ]}
          />
        )}
      </Loaded>
    </Card>
  )
}
