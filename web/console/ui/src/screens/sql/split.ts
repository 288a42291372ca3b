// Statements of a text: the service takes one at a time.

export interface Statement {
  /** Places in the text, the second one behind the statement. */
  from: number
  to: number
  text: string
}

/** Cuts a text at its semicolons, those in strings, quoted names and comments left alone. */
export function statements(text: string): Statement[] {
  const out: Statement[] = []
  let from = 0
  const close = (to: number) => {
    const raw = text.slice(from, to)
    const lead = blank(raw)
    if (lead < raw.length) out.push({ from: from + lead, to: from + raw.trimEnd().length, text: raw.slice(lead).trimEnd() })
  }
  for (let i = 0; i < text.length;) {
    const end = token(text, i)
    if (text[i] === ';') {
      close(i)
      from = i + 1
    }
    i = end
  }
  close(text.length)
  return out
}

/** The place behind the string, name, comment or character that starts at i. */
function token(text: string, i: number): number {
  const c = text[i]
  if (c === "'" || c === '`' || c === '"') {
    const end = text.indexOf(c, i + 1)
    return end < 0 ? text.length : end + 1 // a doubled quote is two strings in a row, which cuts the same
  }
  if (text.startsWith('--', i)) {
    const end = text.indexOf('\n', i)
    return end < 0 ? text.length : end
  }
  if (text.startsWith('/*', i)) {
    const end = text.indexOf('*/', i + 2)
    return end < 0 ? text.length : end + 2
  }
  return i + 1
}

/** The length of the white space and comments that a text begins with. */
function blank(text: string): number {
  let i = 0
  while (i < text.length) {
    const c = text[i] ?? ''
    if (/\s/.test(c)) i++
    else if ((text.startsWith('--', i) || text.startsWith('/*', i)) && !text.startsWith('/*+', i)) i = token(text, i)
    else break
  }
  return i
}

/** The statement at a place: the one around it, else the one before it, else the first. */
export function statementAt(text: string, at: number): Statement | undefined {
  const all = statements(text)
  return all.find((s) => at >= s.from && at <= s.to + 1) ?? all.findLast((s) => s.to <= at) ?? all[0]
}

/** The parameters that a statement names: "?" by position, or names after colons. */
export function parametersOf(text: string): { positional: number; named: string[] } {
  const named: string[] = []
  let positional = 0
  for (let i = 0; i < text.length;) {
    const end = token(text, i)
    if (text[i] === '?') positional++
    const m = end === i + 1 && text[i] === ':' && !/[\w:]/.test(text[i - 1] ?? '') ? /^:([A-Za-z_]\w*)/.exec(text.slice(i, i + 65)) : null
    if (m?.[1] && !named.includes(m[1])) named.push(m[1])
    i = end
  }
  return { positional, named }
}

/** The place in a text of a line and column, both from 1, columns in characters. */
export function offsetOf(text: string, line: number, column: number): number {
  let start = 0
  for (let l = 1; l < line; l++) {
    const next = text.indexOf('\n', start)
    if (next < 0) return text.length
    start = next + 1
  }
  const end = text.indexOf('\n', start)
  const chars = [...text.slice(start, end < 0 ? text.length : end)]
  return start + chars.slice(0, Math.max(0, column - 1)).join('').length
}
