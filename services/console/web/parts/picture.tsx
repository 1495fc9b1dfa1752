import type { VNode } from 'preact';
import type { MeshFrame } from '../../views/mesh.view.js';
import { hrefOf } from '../route.js';
import { count, rate } from './format.js';

type Place = readonly [x: number, y: number];

const places: Record<string, Place> = {
  ingest: [90, 90],
  validator: [330, 90],
  'feature-store': [570, 90],
  registry: [810, 90],
  trainer: [1030, 90],
  monitor: [330, 290],
  'inference-gateway': [570, 290],
  'inference-worker': [810, 290],
  governance: [1030, 290],
  console: [90, 290],
};
const [halfWidth, halfHeight] = [78, 26];

interface Way {
  readonly id: string;
  readonly name: string;
  readonly path: string;
  readonly label: Place;
}

/** Topics, as in the README's picture. */
const ways: readonly Way[] = [
  { id: 'rawEvents', name: 'raw', path: 'M168 90H252', label: [210, 78] },
  { id: 'validEvents', name: 'valid', path: 'M408 90H492', label: [450, 78] },
  { id: 'quarantinedEvents', name: 'quarantined', path: 'M300 64V30H360V64', label: [330, 22] },
  { id: 'predictionsLogged', name: 'predictions', path: 'M492 290H408', label: [450, 250] },
  { id: 'routesChanged', name: 'routes', path: 'M740 116L640 264', label: [648, 190] },
  { id: 'modelsChanged', name: 'models', path: 'M810 116V264', label: [768, 220] },
  { id: 'rolloutsJudged', name: 'verdicts', path: 'M350 316V372H905V140H868V116', label: [620, 364] },
  { id: 'alertsRaised', name: 'alerts', path: 'M320 316V410H930V160H985V116', label: [620, 402] },
  { id: 'auditRecorded', name: 'audit, from all', path: 'M1030 240V264', label: [1030, 232] },
  { id: 'definitionsChanged', name: 'definitions, to all', path: 'M810 64V40', label: [810, 32] },
];
/** Questions over gRPC. */
const questions = ['M570 264V116', 'M648 290H732', 'M952 90H888', 'M1000 64V12H590V64'];

/** The mesh as it is now: who is there, what flows, who is behind. Each service is a link to its details. */
export function Picture({ frame, chosen }: { frame: MeshFrame; chosen: string }): VNode {
  return (
    <div class="scroll" role="region" aria-label="Picture of the mesh" tabIndex={0}>
      <svg class="picture" viewBox="0 0 1120 424" role="group" aria-label="Services and topics of the mesh">
        <defs>
          <marker
            id="tip"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="7"
            markerHeight="7"
            orient="auto-start-reverse"
          >
            <path d="M0 0L8 4L0 8z" />
          </marker>
        </defs>
        {questions.map((path) => (
          <path class="question" d={path} />
        ))}
        {ways.map((way) => (
          <WayDrawn way={way} perSecond={rateOf(frame, way.id)} />
        ))}
        {frame.services.map(({ name, state }) => (
          <ServiceDrawn name={name} state={state} lag={lagOf(frame, name)} chosen={name === chosen} />
        ))}
      </svg>
    </div>
  );
}

function WayDrawn({ way, perSecond }: { way: Way; perSecond: number | null }): VNode {
  const [x, y] = way.label;
  return (
    <g class={perSecond !== null && perSecond > 0 ? 'way flows' : 'way'}>
      <path d={way.path} marker-end="url(#tip)" />
      <text x={x} y={y}>
        {way.name} <tspan class="rate">{rate(perSecond)}/s</tspan>
      </text>
    </g>
  );
}

interface ServiceDrawnProps {
  readonly name: string;
  readonly state: string;
  readonly lag: number;
  readonly chosen: boolean;
}

function ServiceDrawn({ name, state, lag, chosen }: ServiceDrawnProps): VNode | null {
  const place = places[name];
  if (place === undefined) return null;
  const [x, y] = place;
  return (
    <a
      href={hrefOf('/mesh', chosen ? {} : { service: name })}
      class={`service ${state}${chosen ? ' chosen' : ''}`}
      aria-label={`${name}: ${state}, ${count(lag)} records behind`}
    >
      <rect x={x - halfWidth} y={y - halfHeight} width={halfWidth * 2} height={halfHeight * 2} rx="6" />
      <circle cx={x - halfWidth + 13} cy={y - 8} r="4.5" />
      <text class="name" x={x - halfWidth + 24} y={y - 3}>
        {name}
      </text>
      <text class="state" x={x - halfWidth + 24} y={y + 15}>
        {lag > 0 ? `${count(lag)} behind` : state}
      </text>
    </a>
  );
}

/** Records a second over all streams; of the log, predictions: a record holds many. */
function rateOf({ topics, predictionRate }: MeshFrame, id: string): number | null {
  if (id === 'predictionsLogged') return predictionRate;
  const known = topics.flatMap((topic) => (topic.id === id && topic.rate !== null ? [topic.rate] : []));
  return known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0);
}

function lagOf(frame: MeshFrame, service: string): number {
  const consumers = frame.topics.flatMap(({ consumers }) => consumers);
  return consumers.filter((one) => one.service === service).reduce((sum, { lag }) => sum + lag, 0);
}
