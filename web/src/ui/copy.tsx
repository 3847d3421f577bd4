import { Check, Copy as CopyIcon } from "lucide-react"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { Button } from "./button"

/** Takes a text along. Without https, browsers have no clipboard: there is no button then. */
export function Copy({ text, label }: { text: string; label?: string }) {
  const { t } = useTranslation()
  const [copied, setCopied] = useState("")
  if (!navigator.clipboard) return null
  const done = copied === text
  return (
    <Button onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(text))}>
      {done ? <Check /> : <CopyIcon />} {done ? t("common.copied") : (label ?? t("common.copy"))}
    </Button>
  )
}
