// A directed graph that the service has laid out: boxes of HTML, so that they can be read, focused and linked, over lines.
import { ActionIcon, Button } from '@mantine/core'
import { useLayoutEffect, useMemo, useRef, useState, type PointerEvent, type ReactNode, type WheelEvent } from 'react'
import './graph.css'

export interface Point { x: number; y: number }
export interface Edge { from: number | string; to: number | string; bends?: readonly Point[]; className?: string; label?: string }
export interface Node extends Point { id: number | string; content: ReactNode; className?: string; width?: number; height?: number }

interface Props {
  label: string
  nodes: readonly Node[]
  edges: readonly Edge[]
  /** Of a box, as the service's layout took it, in pixels. */
  width?: number
  height?: number
  /** Drawn across the screen; 0 grows with the graph. */
  screenHeight?: number
}

const margin = 16
const zoomMin = 0.2
const zoomMax = 2
const zoomRead = 0.8 // below it the text is too small to read

export function Graph({ label, nodes, edges, width = 220, height = 88, screenHeight = 0 }: Props) {
  const box = useRef<HTMLDivElement>(null)
  const [zoom, setZoom] = useState(1)
  const [drag, setDrag] = useState<{ x: number; y: number; left: number; top: number }>()
  const size = useMemo(() => ({
    x: Math.max(0, ...nodes.map((n) => n.x + (n.width ?? width))) + 2 * margin,
    y: Math.max(0, ...nodes.map((n) => n.y + (n.height ?? height))) + 2 * margin,
  }), [nodes, width, height])
  const at = useMemo(() => new Map(nodes.map((n) => [n.id, n])), [nodes])
  const fit = () => setZoom(Math.max(zoomMin, Math.min(1, (box.current?.clientWidth ?? size.x) / size.x)))
  // A graph that is a little too wide is shown whole; a much wider one starts at its beginning.
  useLayoutEffect(() => {
    const w = box.current?.clientWidth ?? 0
    if (w > 0 && size.x > w) setZoom(Math.max(zoomRead, w / size.x))
  }, [size.x])

  const wheel = (e: WheelEvent) => {
    if (e.ctrlKey || e.metaKey) setZoom((z) => Math.max(zoomMin, Math.min(zoomMax, z * (e.deltaY > 0 ? 0.9 : 1.1))))
  }
  const down = (e: PointerEvent) => {
    const el = box.current
    if (!el || e.button !== 0 || (e.target as Element).closest('a,button')) return
    setDrag({ x: e.clientX, y: e.clientY, left: el.scrollLeft, top: el.scrollTop })
  }
  const move = (e: PointerEvent) => {
    if (drag && box.current) box.current.scrollTo(drag.left - (e.clientX - drag.x), drag.top - (e.clientY - drag.y))
  }
  return (
    <div className="graph-frame">
      <div className="graph-tools">
        <ActionIcon size="sm" aria-label="Smaller" title="Smaller" onClick={() => setZoom((z) => Math.max(zoomMin, z / 1.2))}>−</ActionIcon>
        <ActionIcon size="sm" aria-label="Larger" title="Larger" onClick={() => setZoom((z) => Math.min(zoomMax, z * 1.2))}>+</ActionIcon>
        <Button size="compact-xs" onClick={fit}>Fit</Button>
      </div>
      <div ref={box} className={`graph ${drag ? 'dragging' : ''}`} role="region" aria-label={label} tabIndex={0} style={{ height: screenHeight || Math.min(640, size.y * zoom + 18) }}
        onWheel={wheel} onPointerDown={down} onPointerMove={move} onPointerUp={() => setDrag(undefined)} onPointerLeave={() => setDrag(undefined)}>
        <div style={{ width: size.x * zoom, height: size.y * zoom }}>
          <div style={{ width: size.x, height: size.y, transform: `scale(${zoom})`, transformOrigin: '0 0', position: 'relative' }}>
            <svg width={size.x} height={size.y} aria-hidden="true">
              <defs>
                <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" className="graph-arrow" /></marker>
              </defs>
              {edges.map((e, i) => {
                const a = at.get(e.from)
                const b = at.get(e.to)
                if (!a || !b) return null
                const points = [
                  { x: a.x + (a.width ?? width) + margin, y: a.y + (a.height ?? height) / 2 + margin },
                  ...(e.bends ?? []).map((p) => ({ x: p.x + margin, y: p.y + margin })),
                  { x: b.x + margin, y: b.y + (b.height ?? height) / 2 + margin },
                ]
                return <path key={i} d={curve(points)} className={`graph-edge ${e.className ?? ''}`} markerEnd="url(#arrow)">{e.label && <title>{e.label}</title>}</path>
              })}
            </svg>
            {nodes.map((n) => (
              <div key={n.id} className={`graph-node ${n.className ?? ''}`} style={{ left: n.x + margin, top: n.y + margin, width: n.width ?? width, height: n.height ?? height }}>{n.content}</div>
            ))}
          </div>
        </div>
      </div>
    </div>
  )
}

/** A line through points, level where it leaves and comes in. */
export function curve(points: readonly Point[]): string {
  return points.map((p, i) => {
    const last = points[i - 1]
    if (!last) return `M${p.x} ${p.y}`
    const mid = (last.x + p.x) / 2
    return `C${mid} ${last.y} ${mid} ${p.y} ${p.x} ${p.y}`
  }).join('')
}
