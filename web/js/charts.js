// Charts: lines and bars over time by uPlot, which is loaded when the first chart is shown; the heat map is ours.

import { html, useEffect, useRef, useState } from "../vendor/preact.js";

const COLOURS = ["#2f5bea", "#0f8a6d", "#c26a00", "#a03bb0", "#b3261e", "#3b7f9e", "#6b7a00", "#8a5a44"];

let loading = null;

function library() {
  loading ??= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "static/vendor/uplot.css" });
    const script = Object.assign(document.createElement("script"), { src: "static/vendor/uplot.js" });
    script.onload = () => resolve(window.uPlot);
    script.onerror = () => { loading = null; reject(new Error("The chart could not be loaded.")); };
    document.head.append(style, script);
  });
  return loading;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Values over time. `times` are seconds of the epoch, `series`: [{name, values}]; a value that is unknown is null.
 * `format` turns a value into words. Below it the same is a table for those who cannot see it.
 */
export function TimeChart({ times, series, format, label, bars = false, height = 230 }) {
  const host = useRef();
  const [failed, setFailed] = useState(null);
  useEffect(() => {
    let chart, resize, gone = false;
    library().then((Plot) => {
      if (gone) return;
      const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
      chart = new Plot({
        width: host.current.clientWidth, height, legend: { show: false }, cursor: { drag: { x: false, y: false } },
        scales: { y: { range: (_, least, most) => [0, most > 0 ? most * 1.1 : 1] } }, // from nothing on, or small changes look large
        axes: [axis, { ...axis, size: 68, values: (_, values) => values.map(format) }],
        series: [{}, ...series.map((each, at) => ({
          label: each.name, stroke: COLOURS[at % COLOURS.length], width: 2, spanGaps: false,
          fill: bars ? COLOURS[at % COLOURS.length] + "55" : undefined,
          paths: bars ? Plot.paths.bars({ size: [0.7, 40] }) : undefined, points: { show: times.length < 2 },
        }))],
      }, [times, ...series.map((each) => each.values)], host.current);
      resize = new ResizeObserver(() => chart.setSize({ width: host.current.clientWidth, height }));
      resize.observe(host.current);
    }).catch((error) => !gone && setFailed(error));
    return () => { gone = true; resize?.disconnect(); chart?.destroy(); };
  }, [times, series, bars, height]);
  if (failed) return html`<p class="banner bad">${failed.message}</p>`;
  return html`<figure class="stack" aria-label=${label}>
    <div class="chart" ref=${host}></div>
    <figcaption class="chart-legend">${series.map((each, at) => html`
      <span key=${each.name}><i style=${{ background: COLOURS[at % COLOURS.length] }}></i>${each.name}</span>`)}</figcaption>
  </figure>`;
}

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** How busy each hour of the week is: `cells[weekday][hour]`, Monday first. */
export function HeatMap({ cells, label, format }) {
  const most = Math.max(1, ...cells.flat());
  const [cell, left, top] = [22, 30, 16];
  return html`<svg class="heat" role="img" aria-label=${label} viewBox="0 0 ${left + 24 * cell} ${top + 7 * cell}">
    ${[0, 3, 6, 9, 12, 15, 18, 21].map((hour) => html`<text x=${left + hour * cell + 2} y="10">${String(hour).padStart(2, "0")}</text>`)}
    ${DAYS.map((day, at) => html`<text x="0" y=${top + at * cell + 15}>${day}</text>`)}
    ${cells.map((row, day) => row.map((value, hour) => html`
      <rect x=${left + hour * cell} y=${top + day * cell} width=${cell - 2} height=${cell - 2} rx="4"
        fill=${value ? "var(--accent)" : "var(--sunken)"} fill-opacity=${value ? 0.2 + 0.8 * (value / most) : 1}>
        <title>${DAYS[day]} ${String(hour).padStart(2, "0")}:00 – ${format(value)}</title></rect>`))}
  </svg>`;
}
