import { useTranslation } from "react-i18next"
import { api, client, type Schemas } from "@/api/client"
import { useMay, useUser } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Field } from "@/ui/field"
import { Money, Named, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Segments } from "@/ui/tabs"
import { useProof } from "../account/proof"
import { Brief, Changes } from "./changes"

type Approval = Schemas["Approval"]
type Status = Schemas["ApprovalStatus"]
const STATUSES = ["requested", "approved", "rejected", "expired"] as const
const TONES: Record<Status, Tone> = { requested: "warn", approved: "good", rejected: "bad", expired: "plain" }

/** What waits for a second person, and what was decided. */
export default function Approvals() {
  const { t } = useTranslation()
  const [status, setStatus] = useUrl<Status>("status", "requested", STATUSES)
  const [subject, setSubject] = useUrl("subject", "")
  const [open, setOpen] = useUrl("open", "")
  const list = useList(["approvals", status, subject], async (cursor) => {
    const { data } = await client.GET("/api/v1/approvals", {
      params: { query: { status, cursor, limit: 100, ...(subject && { subject }) } },
    })
    return data!
  })
  const statuses = STATUSES.map((one) => [one, t(`approvalStatus.${one}`)] as const)
  return (
    <>
      <PageHead title={t("pages.approvals")}>
        <Segments label={t("common.state")} value={status} options={statuses} onChange={setStatus} />
        {subject && (
          <Button onClick={() => setSubject("")} title={subject}>
            {t("approvals.oneSubject")} ×
          </Button>
        )}
      </PageHead>
      <Card flush>
        <Loaded query={list} rows={8}>
          {(rows) => (
            <Table
              label={t("pages.approvals")}
              rows={rows}
              id={(row) => row.id}
              empty={<Empty title={t(status === "requested" ? "approvals.noneWaits" : "approvals.none")} />}
              more={list.more}
              columns={[
                {
                  key: "kind",
                  head: t("common.kind"),
                  cell: (row) => (
                    <button
                      type="button"
                      className="focusable text-primary rounded hover:underline"
                      onClick={() => setOpen(row.id)}
                    >
                      {t(`approvalKinds.${row.kind}` as "approvalKinds.other", { defaultValue: row.kind })}
                    </button>
                  ),
                },
                {
                  key: "what",
                  head: t("approvals.what"),
                  cell: ({ changes, payload: { amount, asset } }) => (
                    <>
                      <Brief changes={changes} />{" "}
                      {typeof amount === "string" && (
                        <Money amount={amount} asset={typeof asset === "string" ? asset : undefined} />
                      )}
                    </>
                  ),
                },
                {
                  key: "by",
                  head: t("approvals.by"),
                  cell: (row) => <Named id={row.requestedBy} name={row.requestedByName} />,
                },
                { key: "at", head: t("common.time"), cell: (row) => <Time at={row.requestedAt} /> },
                { key: "expires", head: t("approvals.expires"), cell: (row) => <Time at={row.expiresAt} /> },
                {
                  key: "state",
                  head: t("common.state"),
                  cell: (row) => (
                    <Badge tone={TONES[row.status]}>
                      {t(`approvalStatus.${row.status}`)} {row.approvedBy.length} / {row.needed}
                    </Badge>
                  ),
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
      {open && <Opened id={open} onClose={() => setOpen("")} />}
    </>
  )
}

/** One request in its window, also where the list does not have it. */
function Opened({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useTranslation()
  const query = api.useQuery("get", "/api/v1/approvals/{approval_id}", {
    params: { path: { approval_id: id } },
  })
  if (query.data) return <Decide approval={query.data} onClose={onClose} />
  return (
    <Dialog title={t("pages.approvals")} onClose={onClose}>
      <Loaded query={query}>{() => null}</Loaded>
    </Dialog>
  )
}

/** What somebody wrote with a request; all else of it is said by what it changes. */
const words = (payload: Approval["payload"]) =>
  (["reason", "reference", "purpose"] as const)
    .filter((name) => typeof payload[name] === "string")
    .map((name) => [name, String(payload[name])] as const)

function Decide({ approval, onClose }: { approval: Approval; onClose: () => void }) {
  const { t } = useTranslation()
  const may = useMay("approve")
  const user = useUser()!
  const proof = useProof()
  const path = { approval_id: approval.id }
  const approve = useAct(async (word: string, key) => {
    await client.POST("/api/v1/approvals/{approval_id}/approve", {
      params: { path, header: { ...key, "X-Proof": word } },
    })
  }, onClose)
  const reject = useAct(async ({ word, reason }: { word: string; reason: string }, key) => {
    await client.POST("/api/v1/approvals/{approval_id}/reject", {
      params: { path, header: { ...key, "X-Proof": word } },
      body: { reason },
    })
  }, onClose)
  const error = approve.error ?? reject.error
  const mine = approval.requestedBy === user.id || approval.approvedBy.includes(user.id)
  return (
    <Dialog
      title={t(`approvalKinds.${approval.kind}` as "approvalKinds.other", { defaultValue: approval.kind })}
      onClose={onClose}
    >
      <Changes changes={approval.changes} />
      <Facts
        rows={[
          [t("approvals.by"), <Named key="b" id={approval.requestedBy} name={approval.requestedByName} />],
          [t("common.time"), <Time key="t" at={approval.requestedAt} />],
          [t("common.state"), t(`approvalStatus.${approval.status}`)],
          ...(approval.decidedAt
            ? ([
                [t("approvals.decidedBy"), approval.decidedByName ?? "–"],
                [t("approvals.decidedAt"), <Time key="d" at={approval.decidedAt} />],
              ] as const)
            : ([[t("approvals.expires"), <Time key="e" at={approval.expiresAt} />]] as const)),
          [
            t("approvals.needed"),
            `${approval.approvedBy.length} / ${approval.needed} ${approval.approvedByNames.join(", ")}`,
          ],
          ...(approval.kind.startsWith("funding.") && approval.needed > 1
            ? ([[t("approvals.bankRecord"), approval.bankRecord ? t("common.yes") : t("common.no")]] as const)
            : []),
          ...words(approval.payload).map(
            ([name, value]) =>
              [
                t(`changes.fields.${name}` as "changes.fields.reason", { defaultValue: name }),
                value,
              ] as const,
          ),
          ...(approval.reason ? ([[t("liquidation.reason"), approval.reason]] as const) : []),
        ]}
      />
      {error && <Failed error={error} />}
      {approval.status === "requested" && mine && (
        <p className="text-muted-foreground">{t("approvals.mine")}</p>
      )}
      {approval.status === "requested" && may && !mine && (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            const { reason } = given(event)
            proof.ask((word) => reject.mutate({ word, reason: reason! }))
          }}
        >
          <Button intent="primary" disabled={approve.isPending} onClick={() => proof.ask(approve.mutate)}>
            {t("approvals.approve")}
          </Button>
          <Field name="reason" label={t("approvals.why")} required />
          <Button type="submit" intent="danger" disabled={reject.isPending}>
            {t("approvals.reject")}
          </Button>
        </form>
      )}
      {proof.window}
    </Dialog>
  )
}
