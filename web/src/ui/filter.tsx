import { useState } from "react"
import { useUrl } from "@/lib/url"
import { Field } from "./field"

/** A filter of a list, kept in the address under its name: without the spaces around it, which may be on their way. */
export function Filter({ name, label }: { name: string; label: string }) {
  const [value, setValue] = useUrl(name, "")
  const [typed, setTyped] = useState(value)
  return (
    <Field
      type="search"
      label={label}
      value={typed.trim() === value ? typed : value}
      onChange={(event) => (setTyped(event.target.value), setValue(event.target.value.trim()))}
    />
  )
}
