import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { useMay, useUser } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { useList } from "@/lib/lists"
import { useUrl } from "@/lib/url"
import { Badge, type Tone } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, Facts, PageHead } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Field } from "@/ui/field"
import { Id, Named, Time } from "@/ui/shown"
import { Empty, Failed, Loaded } from "@/ui/states"
import { Table } from "@/ui/table"
import { Segments } from "@/ui/tabs"
import { useProof } from "../account/proof"

type Approval = Schemas["Approval"]
type Status = Schemas["ApprovalStatus"]
const TONES: Record<Status, Tone> = { requested: "warn", approved: "good", rejected: "bad", expired: "plain" }

/** What waits for a second person, and what was decided. */
export default function Approvals() {
  const { t } = useTranslation()
  const [status, setStatus] = useUrl<Status>("status", "requested")
  const [open, setOpen] = useUrl("open", "")
  const list = useList(["approvals", status], async (cursor) => {
    const { data } = await client.GET("/api/v1/approvals", {
      params: { query: { status, cursor, limit: 100 } },
    })
    return data!
  })
  const statuses = (["requested", "approved", "rejected", "expired"] as const).map(
    (one) => [one, t(`approvalStatus.${one}`)] as const,
  )
  const opened = list.data?.find((one) => one.id === open)
  return (
    <>
      <PageHead title={t("pages.approvals")}>
        <Segments label={t("common.state")} value={status} options={statuses} onChange={setStatus} />
      </PageHead>
      <Card flush>
        <Loaded query={list} rows={8}>
          {(rows) => (
            <Table
              label={t("pages.approvals")}
              rows={rows}
              id={(row) => row.id}
              empty={<Empty title={t("approvals.none")} />}
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
                { key: "what", head: t("approvals.what"), cell: (row) => said(row.payload) },
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
      {opened && <Decide approval={opened} onClose={() => setOpen("")} />}
    </>
  )
}

const shown = (value: unknown) =>
  value !== null && typeof value === "object" ? JSON.stringify(value) : String(value)
const said = (payload: Approval["payload"]) =>
  Object.entries(payload)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${shown(value)}`)
    .join(" · ")
    .slice(0, 96)

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
      <Facts
        rows={[
          [t("approvals.by"), <Named key="b" id={approval.requestedBy} name={approval.requestedByName} />],
          [t("common.time"), <Time key="t" at={approval.requestedAt} />],
          [t("approvals.subject"), <Id key="s" id={approval.subject} />],
          [t("approvals.bankRecord"), approval.bankRecord ? t("common.yes") : t("common.no")],
          [
            t("approvals.needed"),
            [`${approval.approvedBy.length} / ${approval.needed}`, ...approval.approvedByNames].join(" · "),
          ],
          ...Object.entries(approval.payload).map(([name, value]) => [name, shown(value)] as const),
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
