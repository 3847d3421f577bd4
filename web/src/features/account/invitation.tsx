import { Link } from "@tanstack/react-router"
import { QRCodeSVG } from "qrcode.react"
import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { Outside } from "@/app/outside"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Field } from "@/ui/field"
import { Failed } from "@/ui/states"
import { RecoveryCodes } from "./second-factor"

/** Staff join by a link that works once: they choose a password, set up a second factor, and wait for approval. */
export default function Invitation() {
  const { t } = useTranslation()
  const token = location.hash.slice(1)
  const take = useAct(
    async (password: string) =>
      (await client.POST("/api/v1/auth/invitation", { body: { token, password } })).data!,
  )
  const confirm = useAct(
    async (code: string) =>
      (await client.POST("/api/v1/auth/invitation/confirm", { body: { token, code } })).data!,
  )
  return (
    <Outside title={t("invitation.title")}>
      {confirm.data ? (
        <div className="space-y-3">
          <p role="status">{t(confirm.data.approvalId ? "invitation.waiting" : "invitation.done")}</p>
          <RecoveryCodes codes={confirm.data.recoveryCodes} />
          <Button asChild>
            <Link to="/">{t("signIn.title")}</Link>
          </Button>
        </div>
      ) : take.data ? (
        <form className="space-y-3" onSubmit={(event) => confirm.mutate(given(event).code!)}>
          <p>{t("factor.scan")}</p>
          <QRCodeSVG value={take.data.otpauthUri} size={168} marginSize={2} title={t("factor.qr")} />
          <p className="text-xs break-all">
            {t("factor.byHand")} <code>{take.data.secret}</code>
          </p>
          <Field
            name="code"
            label={t("signIn.code")}
            inputMode="numeric"
            autoComplete="one-time-code"
            required
          />
          {confirm.error && <Failed error={confirm.error} />}
          <Button type="submit" intent="primary" size="md" className="w-full" disabled={confirm.isPending}>
            {t("factor.confirm")}
          </Button>
        </form>
      ) : (
        <form className="space-y-3" onSubmit={(event) => take.mutate(given(event).password!)}>
          <p className="text-muted-foreground">{t("invitation.why")}</p>
          <Field
            name="password"
            type="password"
            label={t("signIn.password")}
            hint={t("register.passwordHint")}
            autoComplete="new-password"
            minLength={10}
            required
            error={take.refused("password")}
          />
          {take.error && <Failed error={take.error} />}
          <Button
            type="submit"
            intent="primary"
            size="md"
            className="w-full"
            disabled={take.isPending || !token}
          >
            {t("invitation.take")}
          </Button>
        </form>
      )}
    </Outside>
  )
}
