import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useUser, type Role } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Copy } from "@/ui/copy"
import { Choice, Field } from "@/ui/field"
import { Id, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { useProof } from "../account/proof"
import { Asked } from "./asked"
import { NewCustomer } from "./new-customer"

type User = Schemas["UserProfile"]
type Status = Schemas["UserStatus"]
const CUSTOMERS = ["investor", "creator"] as const
const STAFF = ["operator", "risk", "auditor", "admin"] as const
const ROLES: readonly Role[] = [...CUSTOMERS, ...STAFF]
const TONES: Record<Status, Tone> = { active: "good", waiting: "warn", disabled: "bad" }

/** Who is here and what they may do; the staff are invited, and whoever is locked out is let in again. */
export default function Users() {
  const { t } = useTranslation()
  const [role, setRole] = useUrl<Role | "all">("role", "all", ["all", ...ROLES])
  const [inviting, setInviting] = useState(false)
  const [making, setMaking] = useState(false)
  const [open, setOpen] = useUrl("open", "")
  const list = useList(["users", role], async (cursor) => {
    const { data } = await client.GET("/api/v1/users", {
      params: { query: { ...(role === "all" ? {} : { role }), cursor, limit: 200 } },
    })
    return data!
  })
  const roles = Object.fromEntries([
    ["all", t("kinds.all")],
    ...ROLES.map((one) => [one, t(`roles.${one}`)]),
  ]) as Record<Role | "all", string>
  const opened = list.data?.find((one) => one.id === open)
  return (
    <>
      <PageHead title={t("pages.users")}>
        <Choice hideLabel label={t("users.role")} value={role} options={roles} onChange={setRole} />
        <span className="ml-auto flex flex-wrap gap-2">
          <Button onClick={() => setMaking(true)}>{t("newCustomer.title")}</Button>
          <Button intent="primary" onClick={() => setInviting(true)}>
            {t("users.invite")}
          </Button>
        </span>
      </PageHead>
      <Card flush>
        <Loaded query={list} rows={10}>
          {(rows) => (
            <Table
              label={t("pages.users")}
              rows={rows}
              id={(row) => row.id}
              empty={<Empty title={t("users.none")} />}
              more={list.more}
              columns={[
                {
                  key: "name",
                  head: t("signIn.username"),
                  cell: (row) => (
                    <button
                      type="button"
                      className="focusable text-primary rounded hover:underline"
                      onClick={() => setOpen(row.id)}
                    >
                      {row.username}
                    </button>
                  ),
                  sort: (row) => row.username,
                },
                { key: "role", head: t("users.role"), cell: (row) => t(`roles.${row.role}`) },
                {
                  key: "state",
                  head: t("common.state"),
                  cell: (row) => <Badge tone={TONES[row.status]}>{t(`userStatus.${row.status}`)}</Badge>,
                },
                {
                  key: "factor",
                  head: t("factor.title"),
                  cell: (row) => (row.secondFactor ? t("factor.on") : t("factor.off")),
                },
                {
                  key: "since",
                  head: t("users.since"),
                  cell: (row) => <Time at={row.createdAt} />,
                  sort: (row) => row.createdAt,
                },
                { key: "id", head: t("users.id"), cell: (row) => <Id id={row.id} /> },
              ]}
            />
          )}
        </Loaded>
      </Card>
      {making && <NewCustomer onClose={() => setMaking(false)} />}
      {inviting && <Invite onClose={() => setInviting(false)} />}
      {opened && <Change key={opened.id} user={opened} onClose={() => setOpen("")} />}
    </>
  )
}

function Invite({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const [role, setRole] = useState<(typeof STAFF)[number]>("operator")
  const proof = useProof()
  const act = useAct(
    async ({ word, ...body }: { word: string; username: string; role: Role }) =>
      (
        await client.POST("/api/v1/users/invitations", {
          params: { header: { "X-Proof": word } },
          body,
        })
      ).data!,
  )
  const roles = Object.fromEntries(STAFF.map((one) => [one, t(`roles.${one}`)])) as Record<
    (typeof STAFF)[number],
    string
  >
  return (
    <Dialog title={t("users.invite")} onClose={onClose}>
      {act.data ? (
        <OneTimeLink invitation={act.data} />
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            const { username } = given(event)
            proof.ask((word) => act.mutate({ word, username: username!, role }))
          }}
        >
          <p className="text-muted-foreground">{t("users.inviteWhy")}</p>
          <Field
            name="username"
            label={t("signIn.username")}
            autoComplete="off"
            required
            error={act.refused("username")}
          />
          <Choice label={t("users.role")} value={role} options={roles} onChange={setRole} />
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending}>
            {t("users.invite")}
          </Button>
        </form>
      )}
      {proof.window}
    </Dialog>
  )
}

/** The link stands here only: what is after the # never reaches a server's log. */
function OneTimeLink({ invitation }: { invitation: Schemas["Invitation"] }) {
  const { t } = useTranslation()
  const link = `${location.origin}/invitation#${invitation.token}`
  return (
    <div role="status" className="border-warn/40 bg-warn/5 space-y-2 rounded-lg border p-3">
      <p>{t("users.link", { name: invitation.username })}</p>
      <p>
        <code className="break-all">{link}</code>
      </p>
      <p className="text-muted-foreground">
        {t("approvals.expires")}: <Time at={invitation.expiresAt} />
      </p>
      <Copy text={link} />
    </div>
  )
}

type Wanted = { word: string; role: Role; status: Status }

/** Another's role, whether they may come in, and a way back for who is locked out. */
function Change({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useTranslation()
  const me = useUser()!
  const proof = useProof()
  const [role, setRole] = useState<Role>(user.role)
  const change = useAct(async ({ word, role, status }: Wanted) => {
    const { data } = await client.PATCH("/api/v1/users/{user_id}", {
      params: { path: { user_id: user.id }, header: { "X-Proof": word } },
      body: {
        ...(role === user.role ? {} : { role }),
        ...(status === user.status ? {} : { status }),
      },
    })
    return data!
  })
  const reset = useAct(
    async (word: string) =>
      (
        await client.POST("/api/v1/users/{user_id}/reset", {
          params: { path: { user_id: user.id }, header: { "X-Proof": word } },
        })
      ).data!,
  )
  const error = change.error ?? reset.error
  // Whoever owns money here does not become one of the staff, nor the other way round.
  const kin: readonly Role[] = CUSTOMERS.some((one) => one === user.role) ? CUSTOMERS : STAFF
  const roles = Object.fromEntries(kin.map((one) => [one, t(`roles.${one}`)])) as Record<Role, string>
  const turned = user.status === "disabled" ? "active" : "disabled"
  return (
    <Dialog title={user.username} onClose={onClose}>
      <Facts
        rows={[
          [t("users.role"), t(`roles.${user.role}`)],
          [t("common.state"), t(`userStatus.${user.status}`)],
          [t("factor.title"), user.secondFactor ? t("factor.on") : t("factor.off")],
          [t("users.since"), <Time key="s" at={user.createdAt} />],
          [t("users.id"), <code key="i">{user.id}</code>],
          [t("keys.scopes"), user.permissions.map((one) => t(`permissions.${one}`)).join(", ")],
        ]}
      />
      {CUSTOMERS.some((one) => one === user.role) && (
        <p>
          <Link
            to="/statements"
            search={{ owner: user.id } as never}
            className="focusable text-primary rounded hover:underline"
          >
            {t("pages.statement")}
          </Link>
        </p>
      )}
      {reset.data && <OneTimeLink invitation={reset.data} />}
      {change.data && "approvalId" in change.data ? (
        <Asked id={change.data.approvalId} />
      ) : (
        change.data && <p role="status">{t("users.changed")}</p>
      )}
      {error && <Failed error={error} />}
      {user.id === me.id ? (
        <p className="text-muted-foreground">{t("users.own")}</p>
      ) : (
        <>
          <form
            className="flex flex-wrap items-end gap-2 border-t pt-3"
            onSubmit={(event) => {
              event.preventDefault()
              proof.ask((word) => change.mutate({ word, role, status: user.status }))
            }}
          >
            <Choice label={t("users.role")} value={role} options={roles} onChange={setRole} />
            <Button
              type="submit"
              size="md"
              disabled={change.isPending || role === user.role || user.status === "waiting"}
            >
              {t("users.changeRole")}
            </Button>
          </form>
          <p className="text-muted-foreground">{t("users.changeWhy")}</p>
          <div className="flex flex-wrap gap-2 border-t pt-3">
            <Button
              intent={turned === "disabled" ? "danger" : "outline"}
              disabled={change.isPending}
              onClick={() => proof.ask((word) => change.mutate({ word, role: user.role, status: turned }))}
            >
              {t(turned === "disabled" ? "users.disable" : "users.enable")}
            </Button>
            {user.status !== "disabled" && (
              <Button disabled={reset.isPending} onClick={() => proof.ask(reset.mutate)}>
                {t("users.reset")}
              </Button>
            )}
          </div>
          <p className="text-muted-foreground">{t("users.resetWhy")}</p>
        </>
      )}
      {proof.window}
    </Dialog>
  )
}
