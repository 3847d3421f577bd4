import { useUrl } from "@/lib/url"
import { Field } from "./field"

/** A filter of a list, kept in the address under its name. */
export function Filter({ name, label }: { name: string; label: string }) {
  const [value, setValue] = useUrl(name, "")
  return (
    <Field
      type="search"
      label={label}
      value={value}
      onChange={(event) => setValue(event.target.value.trim())}
    />
  )
}
