export { AnybodysStatement as default } from "../invest/statement"
