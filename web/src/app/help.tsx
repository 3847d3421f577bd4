import { useTranslation } from "react-i18next"
import { Dialog } from "@/ui/dialog"

const KEYS = [
  ["seek", ["Ctrl K"]],
  ["search", ["/"]],
  ["rows", ["↓ ↑", "j k"]],
  ["ends", ["Home", "End"]],
  ["open", ["Enter"]],
  ["close", ["Esc"]],
  ["help", ["?"]],
] as const

/** Which keys there are. */
export default function Help({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  return (
    <Dialog title={t("shortcuts.title")} onClose={onClose}>
      <dl className="grid grid-cols-[auto_1fr] items-baseline gap-x-6 gap-y-2">
        {KEYS.map(([name, keys]) => (
          <div key={name} className="contents">
            <dt className="flex gap-1">
              {keys.map((key) => (
                <kbd key={key} className="bg-muted rounded border px-1.5 font-sans text-xs">
                  {key}
                </kbd>
              ))}
            </dt>
            <dd>{t(`shortcuts.${name}`)}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
