/** The shape of English texts in another language: a missing text is a type error. */
export type Texts<T> = { [K in keyof T]: T[K] extends string ? string : Texts<T[K]> }
