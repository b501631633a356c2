/**
 * fleet.js computes where every vehicle is now: its last fix, extrapolated along its speed and heading for a
 * limited time. It draws nothing and reads no clock.
 */

import { difference, looksOf } from "./id.js";
import { freshness, MOVING_FROM, staleAfter } from "./livemap.js";
import { kindNamed } from "./map/kinds.js";

/** @typedef {import("./livemap.js").Feature} Feature */
/** @typedef {import("./map/kinds.js").Kind} Kind */
/**
 * `unknown`: its speed is not reported, and there are no two fixes to derive it from.
 * @typedef {"moving" | "parked" | "unknown" | "silent"} State
 */

export const EARTH_CIRCUMFERENCE = 40_075_016.686; // metres around the equator (WGS 84)

/**
 * Intervals for which a vehicle is extrapolated, the most in seconds, and when it returns to its last fix.
 */
const EXTRAPOLATION = { intervals: 1.5, most: 10, until: 60 };
/**
 * Time constant of a correction in seconds. A correction over `most` metres is immediate, unless the vehicle
 * can have gone so far in the `gap` seconds between its fixes, `slack` times as far with its speed.
 */
const CORRECTION = { tau: 0.35, most: 400, gap: 60, slack: 1.5 };
/** Metres between fixes that GPS noise explains. */
const NOISE = 8;
/**
 * Seconds between the fixes from which speed and course are derived: fewer make noise a speed, more make an
 * average one. After `sure` seconds, a vehicle that is still within its noise stands.
 */
const DERIVED_GAP = { least: 1, sure: 10, most: 900 };
/** Metres between two fixes at which it stands, so far apart that it must have moved in between. */
const SAME_STAND = 100;
/** km/h over which a speed is implausible: it is not derived, and nothing is extrapolated by it. */
const PLAUSIBLE_SPEED = 1200;

/**
 * A position in web mercator. The world is the unit square, y points down.
 * @param {number} lon
 * @param {number} lat degrees
 */
export function project(lon, lat) {
	const sin = Math.sin((Math.max(-85.051129, Math.min(85.051129, lat)) * Math.PI) / 180);
	return { x: (lon + 180) / 360, y: 0.5 - Math.log((1 + sin) / (1 - sin)) / (4 * Math.PI) };
}

/**
 * The inverse of project.
 * @param {number} x
 * @param {number} y
 * @returns {[number, number]} longitude, latitude in degrees
 */
export function unproject(x, y) {
	return [x * 360 - 180, (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI];
}

/** The short way between two x of the unit square, which may cross the antimeridian. @param {number} dx */
const shortWay = (dx) => dx - Math.round(dx);
/** The short turn between two courses. @param {number} degrees */
const shortTurn = (degrees) => degrees - 360 * Math.round(degrees / 360);

/** Vehicle is a vehicle's newest fix, with the motion to extrapolate it. */
export class Vehicle {
	lon = 0; // degrees
	lat = 0;
	x = 0; // of the unit square
	y = 0;
	time = 0; // of the fix in Unix seconds; ahead of the hub's clock if the vehicle's is
	/** km/h; null: unknown. @type {number | null} */
	speed = null;
	speedDerived = false; // from two fixes, because it is not reported
	/** Degrees clockwise from north; null: unknown. @type {number | null} */
	course = null;
	courseDerived = false; // or of an earlier fix
	/** Its kind by its own words; null: they name none that has an icon. @type {Kind | null} */
	kind = null;
	/** Its kind by the hub's topics, which the page reads where it has no word for it. @type {Kind | null} */
	topicKind = null;
	/** What `kind` was read from. @type {unknown[]} */ #words = [];
	/** Since when it stands, if it does, in Unix seconds. It may stand for longer than is known. */
	standsSince = { time: 0, exact: false };
	/** The fix from which speed and course are derived. */
	#base = { x: 0, y: 0, time: 0 };

	/**
	 * Until when its fixes are known, in Unix seconds: Infinity while they are streamed.
	 */
	knownUntil = Infinity;

	/** Units of the world per second; 0 without a speed or a heading. */
	#vx = 0;
	#vy = 0;
	/** The offset from the target to the drawn position, at the time `corrected`. */
	#dx = 0;
	#dy = 0;
	#turn = 0; // degrees, likewise
	#corrected = 0;
	/**
	 * Seconds between fixes, kept apart because parked vehicles report less often.
	 * @type {{moving: number | null, parked: number | null}}
	 */
	#intervals = { moving: null, parked: null };

	/** @param {Feature} feature @param {number} now the hub's clock, Unix seconds */
	constructor(feature, now) {
		this.id = feature.id;
		this.feature = feature;
		this.#set(feature, { speed: null, course: null });
		this.#base = { x: this.x, y: this.y, time: this.time };
		this.standsSince = { time: this.time, exact: false };
		this.#corrected = now;
	}

	/**
	 * @param {Feature} feature
	 * @param {{speed: number | null, course: number | null}} derived for a vehicle that does not report them
	 */
	#set(feature, derived) {
		const [lon, lat] = feature.geometry.coordinates;
		const { timestamp, speed_kmh: speed = derived.speed, heading } = feature.properties;
		this.feature = feature;
		this.lon = lon;
		this.lat = lat;
		({ x: this.x, y: this.y } = project(lon, lat));
		this.time = timestamp;
		this.speed = speed;
		this.speedDerived = feature.properties.speed_kmh === undefined;
		this.course = heading ?? derived.course;
		this.courseDerived = heading === undefined;
		const { kind, type } = feature.properties;
		if (kind !== this.#words[0] || type !== this.#words[1]) {
			this.#words = [kind, type];
			this.kind = kindNamed(kind) ?? kindNamed(type);
		}
		const reported = heading !== undefined && feature.properties.speed_kmh !== undefined;
		const unitsPerSecond =
			reported && speed !== null && speed >= MOVING_FROM && speed <= PLAUSIBLE_SPEED
				? speed / 3.6 / (EARTH_CIRCUMFERENCE * Math.cos((lat * Math.PI) / 180))
				: 0;
		const turn = ((heading ?? 0) * Math.PI) / 180;
		this.#vx = unitsPerSecond * Math.sin(turn);
		this.#vy = -unitsPerSecond * Math.cos(turn);
	}

	/**
	 * Applies the next fix. The drawn position glides to it, unless it is too far away.
	 * @param {Feature} feature
	 * @param {number} now the hub's clock, Unix seconds
	 */
	update(feature, now) {
		const drawn = this.positionAt(now);
		const { time, lat, motion, x, y, course } = this;
		const metres = EARTH_CIRCUMFERENCE * Math.cos((lat * Math.PI) / 180);
		const gap = feature.properties.timestamp - time;
		this.#set(feature, this.#derive(feature, metres));
		if (gap > 0 && motion !== "unknown") {
			const known = this.#intervals[motion];
			this.#intervals[motion] = known === null ? gap : known + (Math.min(gap, 4 * known) - known) * 0.3;
		}
		const moved = Math.hypot(shortWay(this.x - x), this.y - y) * metres;
		if (motion !== "parked" || moved > SAME_STAND || gap < 0) {
			const exact = motion === "moving" && gap >= 0 && gap <= DERIVED_GAP.most;
			this.standsSince = { time: this.time, exact };
		}
		this.#dx = this.#dy = this.#turn = 0;
		this.#corrected = now;
		const target = this.positionAt(now);
		const dx = shortWay(drawn.x - target.x);
		const dy = drawn.y - target.y;
		const speed = Math.min(this.speed ?? 0, PLAUSIBLE_SPEED) / 3.6;
		const driven = gap > 0 && gap <= CORRECTION.gap ? CORRECTION.slack * speed * gap : 0;
		if (Math.hypot(dx, dy) * metres < Math.max(CORRECTION.most, driven)) {
			this.#dx = dx;
			this.#dy = dy;
			this.#turn = course === null ? 0 : shortTurn(course + drawn.turn - (this.course ?? course));
		}
	}

	/**
	 * Speed and course from the fix before.
	 * @param {Feature} next
	 * @param {number} metres across the world at its latitude
	 * @returns {{speed: number | null, course: number | null}}
	 */
	#derive({ geometry, properties: { timestamp, accuracy = 0 } }, metres) {
		const [lon, lat] = geometry.coordinates;
		const { x, y } = project(lon, lat);
		const gap = timestamp - this.#base.time;
		const east = shortWay(x - this.#base.x);
		const north = this.#base.y - y;
		const moved = Math.hypot(east, north) * metres;
		const moves = moved > Math.max(NOISE, accuracy);
		if ((gap >= 0 && gap < DERIVED_GAP.least) || (!moves && gap < DERIVED_GAP.sure)) {
			return { speed: this.speedDerived ? this.speed : null, course: this.course };
		}
		this.#base = { x, y, time: timestamp };
		const speed = moves ? (moved / gap) * 3.6 : 0;
		if (gap < 0 || gap > DERIVED_GAP.most || speed > PLAUSIBLE_SPEED) {
			return { speed: null, course: null };
		}
		return { speed, course: moves ? ((Math.atan2(east, north) * 180) / Math.PI + 360) % 360 : this.course };
	}

	/** @returns {"moving" | "parked" | "unknown"} by the speed of its newest fix */
	get motion() {
		return this.speed === null ? "unknown" : this.speed >= MOVING_FROM ? "moving" : "parked";
	}

	/** Seconds between its fixes; null before the second fix. */
	get interval() {
		return this.motion === "unknown" ? null : this.#intervals[this.motion];
	}

	/** Whether the stream has its fixes. */
	get streamed() {
		return this.knownUntil === Infinity;
	}

	/** Seconds since its fix. @param {number} now */
	age(now) {
		return Math.max(0, now - this.time);
	}

	/**
	 * @param {number} asOf until when the fleet is known, in Unix seconds of the hub's clock
	 * @param {number} [quietFrom] the end of the hub's last pause
	 * @returns {State}
	 */
	state(asOf, quietFrom) {
		const fresh = freshness(this.feature, Math.min(asOf, this.knownUntil), quietFrom) === "fresh";
		return fresh ? this.motion : "silent";
	}

	/** Seconds after its fix from which it is drawn there again. */
	get #returnsAfter() {
		return Math.min(EXTRAPOLATION.until, staleAfter(this.feature));
	}

	/**
	 * Where to draw it, as a point in the unit square, and how many degrees it has still to turn to its course.
	 * Extrapolation ends when the next fix is overdue; a vehicle without one returns to its last fix.
	 * @param {number} now the hub's clock, Unix seconds
	 */
	positionAt(now) {
		const extrapolated = this.#extrapolated(now);
		const left = Math.exp(-Math.max(0, now - this.#corrected) / CORRECTION.tau);
		return {
			x: this.x + this.#vx * extrapolated + this.#dx * left,
			y: this.y + this.#vy * extrapolated + this.#dy * left,
			turn: this.#turn * left,
		};
	}

	/** For how many seconds of its motion it is drawn beyond its fix. @param {number} now */
	#extrapolated(now) {
		const age = this.age(now);
		const bound = Math.min(
			EXTRAPOLATION.most,
			EXTRAPOLATION.intervals * (this.interval ?? EXTRAPOLATION.most),
		);
		const over = Math.max(0, age - this.#returnsAfter);
		return Math.min(age, bound) * Math.exp(-over / CORRECTION.tau);
	}

	/** How far it is extrapolated from its fix, in units of the world. @param {number} now */
	extrapolation(now) {
		return Math.hypot(this.#vx, this.#vy) * this.#extrapolated(now);
	}

	/** An upper bound of its drawn speed, in units of the world per second. @param {number} now */
	drawnSpeed(now) {
		const extrapolated =
			this.age(now) < this.#returnsAfter + 5 * CORRECTION.tau ? Math.hypot(this.#vx, this.#vy) : 0;
		const left = Math.exp(-Math.max(0, now - this.#corrected) / CORRECTION.tau);
		return extrapolated + (Math.hypot(this.#dx, this.#dy) * left) / CORRECTION.tau;
	}
}

/** Fleet is all vehicles: those that are streamed, and what is known of the others. */
export class Fleet {
	/** @type {Map<string, Vehicle>} */
	vehicles = new Map();
	/** Changes when a vehicle is added or removed. */
	version = 0;
	/** The ids that look alike. @type {Map<string, Set<string>>} */
	#alike = new Map();

	/**
	 * @param {() => number} clock the hub's clock, Unix seconds
	 * @param {() => number} [asOf] until when the fleet is known, in Unix seconds: states hold for then
	 * @param {() => number} [quietFrom] the end of the hub's last pause, Unix seconds
	 */
	constructor(clock, asOf = clock, quietFrom = () => 0) {
		this.clock = clock;
		this.asOf = asOf;
		this.quietFrom = quietFrom;
	}

	/** Until when a vehicle that stands is taken to stand: now, but on a frozen map. Unix seconds. */
	until() {
		return this.frozen ? this.asOf() : this.clock();
	}

	/** A function that returns the state of a vehicle now. @returns {(vehicle: Vehicle) => State} */
	states() {
		const [asOf, quietFrom] = [this.asOf(), this.quietFrom()];
		return (vehicle) => vehicle.state(asOf, quietFrom);
	}

	/** Whether its positions are too old to be extrapolated, for no fault of the vehicles. */
	frozen = false;

	/** A fix from the stream. @param {Feature} feature */
	update(feature) {
		const known = this.vehicles.get(feature.id);
		if (known) {
			known.update(feature, this.clock());
			known.knownUntil = Infinity;
			return known;
		}
		return this.#add(feature);
	}

	/** @param {Feature} feature */
	#add(feature) {
		const vehicle = new Vehicle(feature, this.clock());
		this.vehicles.set(vehicle.id, vehicle);
		this.version++;
		const looks = looksOf(vehicle.id);
		const alike = this.#alike.get(looks);
		if (alike) {
			alike.add(vehicle.id);
		} else {
			this.#alike.set(looks, new Set([vehicle.id]));
		}
		return vehicle;
	}

	/** @param {string} id */
	remove(id) {
		const known = this.vehicles.delete(id);
		if (known) {
			this.version++;
			const looks = looksOf(id);
			const alike = this.#alike.get(looks);
			alike?.delete(id);
			if (alike?.size === 0) {
				this.#alike.delete(looks);
			}
		}
		return known;
	}

	/** What tells a vehicle's id from another one that looks alike; "" if there is none. @param {string} id */
	difference(id) {
		for (const other of this.#alike.get(looksOf(id)) ?? []) {
			if (other !== id) {
				return difference(id, other);
			}
		}
		return "";
	}

	/** The stream has a vehicle no longer. @param {string} id */
	leave(id) {
		const vehicle = this.vehicles.get(id);
		if (vehicle) {
			vehicle.knownUntil = this.asOf();
		}
	}

	/**
	 * Takes the whole fleet, beside what is streamed.
	 * @param {Feature[]} features
	 * @param {number} time when they were read, Unix seconds
	 */
	learn(features, time) {
		/** @type {Set<string>} */
		const present = new Set();
		for (const feature of features) {
			present.add(feature.id);
		}
		this.meet(features, time);
		for (const [id, { knownUntil }] of this.vehicles) {
			if (knownUntil < time && !present.has(id)) {
				this.remove(id);
			}
		}
		this.confirm(time);
	}

	/** Takes some vehicles of those that are not streamed. @param {Feature[]} features @param {number} time */
	meet(features, time) {
		const now = this.clock();
		for (const feature of features) {
			const vehicle = this.vehicles.get(feature.id);
			if (!vehicle) {
				this.#add(feature).knownUntil = time;
			} else if (!vehicle.streamed) {
				if (feature.properties.timestamp >= vehicle.time) {
					vehicle.update(feature, now);
				}
				vehicle.knownUntil = Math.max(vehicle.knownUntil, time);
			}
		}
	}

	/** What is known of the vehicles that are not streamed holds until a time. @param {number} time */
	confirm(time) {
		for (const vehicle of this.vehicles.values()) {
			if (!vehicle.streamed) {
				vehicle.knownUntil = Math.max(vehicle.knownUntil, time);
			}
		}
	}

	/** Removes the vehicles that are not streamed. */
	keepStreamed() {
		for (const [id, { streamed }] of this.vehicles) {
			if (!streamed) {
				this.remove(id);
			}
		}
	}

	/** The number of vehicles in each state. @param {(vehicle: Vehicle) => boolean} [among] default: all */
	counts(among = () => true) {
		const counts = { all: 0, moving: 0, parked: 0, unknown: 0, silent: 0 };
		const stateOf = this.states();
		for (const vehicle of this.vehicles.values()) {
			if (among(vehicle)) {
				counts.all++;
				counts[stateOf(vehicle)]++;
			}
		}
		return counts;
	}
}
