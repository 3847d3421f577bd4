import { QRCodeSVG } from "qrcode.react"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { replace, useUser } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card } from "@/ui/card"
import { Field } from "@/ui/field"
import { Failed } from "@/ui/states"
import { useProof } from "./proof"

const proven = (proof: string) => ({ params: { header: { "X-Proof": proof } } })

/** The second factor: set up with a QR code, taken away, and its recovery codes. */
export function SecondFactor() {
  const { t } = useTranslation()
  const user = useUser()!
  const proof = useProof()
  const [codes, setCodes] = useState<string[] | null>(null)
  const [setUp, setSetUp] = useState<Schemas["TotpSetUp"] | null>(null)
  const start = useAct(
    async (word: string) => (await client.POST("/api/v1/auth/totp", proven(word))).data!,
    setSetUp,
  )
  const confirm = useAct(
    (code: string) =>
      replace(async () => (await client.POST("/api/v1/auth/totp/confirm", { body: { code } })).data!),
    (enrolled) => {
      setSetUp(null)
      setCodes(enrolled.recoveryCodes)
    },
  )
  const remove = useAct(
    async (word: string) => {
      await client.DELETE("/api/v1/auth/totp", proven(word))
      return (await client.GET("/api/v1/auth/me")).data!
    },
    () => location.reload(),
  )
  const renew = useAct(
    async (word: string) => (await client.POST("/api/v1/auth/recovery-codes", proven(word))).data!,
    (made) => setCodes(made.recoveryCodes),
  )
  const error = start.error ?? confirm.error ?? remove.error ?? renew.error
  return (
    <Card
      title={t("factor.title")}
      actions={
        <Badge tone={user.secondFactor ? "good" : "warn"}>
          {user.secondFactor ? t("factor.on") : t("factor.off")}
        </Badge>
      }
    >
      <div className="space-y-3">
        <p className="text-muted-foreground">{t("factor.why")}</p>
        {codes && <RecoveryCodes codes={codes} />}
        {setUp && (
          <form className="space-y-3" onSubmit={(event) => confirm.mutate(given(event).code!)}>
            <p>{t("factor.scan")}</p>
            <QRCodeSVG
              value={setUp.otpauthUri}
              size={168}
              marginSize={2}
              title={t("factor.qr")}
              className="rounded-md"
            />
            <p className="text-xs break-all">
              {t("factor.byHand")} <code>{setUp.secret}</code>
            </p>
            <Field
              name="code"
              label={t("signIn.code")}
              inputMode="numeric"
              autoComplete="one-time-code"
              required
            />
            <Button type="submit" intent="primary" disabled={confirm.isPending}>
              {t("factor.confirm")}
            </Button>
          </form>
        )}
        {error && <Failed error={error} />}
        {!setUp && (
          <div className="flex flex-wrap gap-2">
            <Button
              intent={user.secondFactor ? "outline" : "primary"}
              onClick={() => proof.ask(start.mutate)}
            >
              {user.secondFactor ? t("factor.change") : t("factor.setUp")}
            </Button>
            {user.secondFactor && (
              <>
                <Button onClick={() => proof.ask(renew.mutate)}>{t("factor.newCodes")}</Button>
                <Button intent="danger" onClick={() => proof.ask(remove.mutate)}>
                  {t("factor.remove")}
                </Button>
              </>
            )}
          </div>
        )}
        {proof.window}
      </div>
    </Card>
  )
}

/** Shown once: the server keeps only their digests. */
export function RecoveryCodes({ codes }: { codes: readonly string[] }) {
  const { t } = useTranslation()
  return (
    <div className="border-warn/40 bg-warn/5 rounded-lg border p-3">
      <p className="mb-2">{t("factor.codes")}</p>
      <ul className="num grid grid-cols-2 gap-1 font-mono text-xs">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
    </div>
  )
}
