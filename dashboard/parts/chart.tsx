/**
 * A line over time, drawn by uPlot. What it shows stands in words beside it, for those who do not
 * see it.
 */
/** @jsx h */
import { h, useEffect, useRef } from "../packages/preact.ts";
import uPlot from "../packages/uplot.ts";
import { theme } from "../data/theme.ts";
import { useSignal } from "../data/signal.ts";
import { extremesOf } from "../view/chart_data.ts";

interface ChartProps {
  title: string;
  times: readonly number[];
  values: readonly (number | null)[];
  /** How a value is written. */
  format: (value: number) => string;
  /** The name of a colour of the style. */
  colour: string;
  /** The top of the scale is at least this. */
  atLeast?: number;
}

const HEIGHT = 150;

/** The figure. */
export function Chart({ title, times, values, format, colour, atLeast = 1 }: ChartProps) {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const chosen = useSignal(theme);
  const data: uPlot.AlignedData = [[...times], [...values]];
  useEffect(() => {
    const element = ref.current!;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(
        optionsOf(element, { format, colour, atLeast }),
        plot.current?.data ?? data,
        element,
      );
    };
    draw();
    const sizes = new ResizeObserver(() => {
      const { clientWidth } = element;
      if (clientWidth > 0) plot.current!.setSize({ width: clientWidth, height: HEIGHT });
    });
    sizes.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => {
      dark.removeEventListener("change", draw);
      sizes.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [chosen, colour]);
  useEffect(() => plot.current?.setData(data), [times, values]);
  const known = extremesOf(values);
  const words = known === undefined
    ? "not known yet"
    : `now ${format(known.last)}, at most ${format(known.most)}`;
  return (
    <figure class="chart">
      <figcaption>
        <span>{title}</span>
        <span class="quiet">{words}</span>
      </figcaption>
      <div ref={ref} role="img" aria-label={`${title}: ${words}`} />
    </figure>
  );
}

function optionsOf(
  element: HTMLElement,
  { format, colour, atLeast }: {
    format: (value: number) => string;
    colour: string;
    atLeast: number;
  },
): uPlot.Options {
  const quiet = colourOf(element, "--quiet");
  const axis = {
    stroke: quiet,
    grid: { stroke: colourOf(element, "--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
  };
  return {
    width: element.clientWidth || 300,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false } },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(atLeast, (max ?? 0) * 1.1)] } },
    axes: [
      { ...axis, size: 26, values: "{HH}:{mm}" },
      { ...axis, size: 62, values: (_plot, splits) => splits.map(format) },
    ],
    series: [{}, {
      stroke: colourOf(element, colour),
      fill: colourOf(element, `${colour}-soft`),
      width: 1.5,
      points: { size: 4, show: true, filter: lonePoints },
      spanGaps: false,
    }],
  };
}

/** The points that no line leads to or from: without a dot they would not be seen. */
function lonePoints(plot: uPlot, series: number): number[] {
  const values = plot.data[series] as readonly (number | null)[];
  const isKnown = (i: number) => values[i] !== null && values[i] !== undefined;
  return [...values.keys()].filter((i) => isKnown(i) && !isKnown(i - 1) && !isKnown(i + 1));
}

/** A colour of the style as the canvas takes it: what it is in this theme. */
function colourOf(element: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
