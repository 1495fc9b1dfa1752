/** A row of the history: a flight that was flown. */
export interface Flight {
  /** Row number in the file: the history has no id of its own. */
  readonly row: number;
  /** Actual departure, local clock of the origin, written as if it were UTC (epoch ms). */
  readonly localMs: number;
  /** Minutes of delay on arrival, against the schedule. */
  readonly delay: number;
  /** Miles. */
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

export interface DepartureEvent {
  readonly flight_id: string;
  readonly departed_at: string;
  readonly local_minute: number;
  readonly local_weekday: number;
  readonly origin: string;
  readonly destination: string;
  readonly distance: number;
}

export interface ArrivalEvent {
  readonly flight_id: string;
  readonly arrived_at: string;
  readonly local_minute: number;
  readonly origin: string;
  readonly destination: string;
  readonly distance: number;
  /** Minutes; from the change of the feed on, seconds. */
  readonly delay: number;
  /** 15 minutes or more, by the airline's own record, which the feed does not touch. */
  readonly late: boolean;
}

const minuteMs = 60_000;
const lateMinutes = 15;
/** Event time from which the feed sends `delay` in seconds, epoch ms. The one thing here that did not happen. */
export const feedChangedMs = Date.parse('2001-06-14T00:00:00Z');

/**
 * Landing time is not in the data: gate to gate is taken as 60 minutes and 0.14 minutes a mile, which on flights whose landing is known covers nine in ten.
 * `delay` must not be added: the actual departure already contains it.
 */
export function arrivalMs(departureMs: number, distanceMiles: number): number {
  return departureMs + Math.round(60 + 0.14 * distanceMiles) * minuteMs;
}

/** The departure: everything known when the flight leaves, and nothing of its delay on arrival. */
export function departureEvent(flight: Flight, departureMs: number): DepartureEvent {
  return {
    flight_id: String(flight.row),
    departed_at: new Date(departureMs).toISOString(),
    local_minute: localMinute(flight),
    local_weekday: (new Date(flight.localMs).getUTCDay() + 6) % 7,
    origin: flight.origin,
    destination: flight.destination,
    distance: flight.distance,
  };
}

/** The arrival, with the delay that features are made of later, and the truth that is the label. */
export function arrivalEvent(flight: Flight, departureMs: number): ArrivalEvent {
  const arrivedMs = arrivalMs(departureMs, flight.distance);
  return {
    flight_id: String(flight.row),
    arrived_at: new Date(arrivedMs).toISOString(),
    local_minute: localMinute(flight),
    origin: flight.origin,
    destination: flight.destination,
    distance: flight.distance,
    delay: arrivedMs < feedChangedMs ? flight.delay : flight.delay * 60,
    late: flight.delay >= lateMinutes,
  };
}

function localMinute(flight: Flight): number {
  return Math.floor((((flight.localMs % 86_400_000) + 86_400_000) % 86_400_000) / minuteMs);
}
