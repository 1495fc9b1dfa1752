import { type Comparison, measuredOf } from './comparison.js';
import type { Measured } from './measure.js';

interface Panel {
  readonly title: string;
  readonly better: string;
  value(measured: Measured): number;
  show(value: number): string;
}

const panels: readonly Panel[] = [
  {
    title: 'requests a second on one core',
    better: 'more is better',
    value: ({ full }) => full.perSecond,
    show: (x) => Math.round(x).toLocaleString('en-US'),
  },
  {
    title: 'CPU a request, µs',
    better: 'less is better',
    value: ({ full }) => full.cpuUs,
    show: (x) => x.toFixed(0),
  },
  {
    title: 'p99 at half of its maximum, ms',
    better: 'less is better',
    value: ({ half }) => half.p99Ms,
    show: (x) => x.toFixed(1),
  },
];

const [labelWidth, panelWidth, valueWidth, rowHeight, top, gap] = [170, 190, 60, 26, 64, 20];

/** Bars of gbt100, one row a request: a panel a question, a line a peer. Readable on light and on dark. */
export function toPicture({ peers, machine, date }: Comparison): string {
  const lines = peers.flatMap((peer) => {
    const measured = measuredOf(peer, 'gbt100');
    return measured === undefined ? [] : [{ name: peer.name, ours: peer.key === 'millrace', measured }];
  });
  const width = labelWidth + panels.length * (panelWidth + valueWidth + gap);
  const height = top + lines.length * rowHeight + 34;
  const names = lines.map(({ name, ours }, i) =>
    text(labelWidth - 10, top + i * rowHeight + 17, name, ours ? 'ours end' : 'end'),
  );
  const drawn = panels.flatMap((panel, at) => {
    const left = labelWidth + at * (panelWidth + valueWidth + gap);
    const most = Math.max(...lines.map(({ measured }) => panel.value(measured)));
    const bars = lines.map(({ measured, ours }, i) => {
      const length = Math.max(1, (panel.value(measured) / most) * panelWidth);
      const y = top + i * rowHeight;
      return `<rect class="${ours ? 'bar ours' : 'bar'}" x="${left}" y="${y + 4}" width="${length.toFixed(1)}" height="${rowHeight - 8}" rx="2"/>${text(left + length + 6, y + 17, panel.show(panel.value(measured)))}`;
    });
    return [text(left, 30, panel.title, 'head'), text(left, 48, panel.better, 'soft'), ...bars];
  });
  const foot = `100 trees, one row a request, 64 requests in flight; ${machine.cpu}, ${date.slice(0, 10)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Requests a second, CPU a request and p99 by server">
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 } .soft { fill: #656d76; font-size: 12px } .end { text-anchor: end }
.bar { fill: #8c959f } .bar.ours { fill: #0969da } text.ours { font-weight: 600 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .soft { fill: #9198a1 } .bar { fill: #656c76 } .bar.ours { fill: #4493f8 } }
</style>
${[...names, ...drawn, text(labelWidth, height - 10, foot, 'soft')].join('\n')}
</svg>
`;
}

function text(x: number, y: number, content: string, kind = ''): string {
  const safe = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y}"${kind === '' ? '' : ` class="${kind}"`}>${safe}</text>`;
}
