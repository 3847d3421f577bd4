import { useTranslation } from "react-i18next"
import { Dialog } from "@/ui/dialog"
import { ChartCredit } from "@/ui/credit"

/** What this is, and whose work is in it. */
export default function About({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <Dialog title={t("about.title")} onClose={onClose}>
      <p>{t("about.what")}</p>
      <ChartCredit />
      <p>
        <a
          className="text-primary focusable rounded underline"
          href="/licences.txt"
          target="_blank"
          rel="noreferrer"
        >
          {t("about.licences")}
        </a>
      </p>
    </Dialog>
  )
}
