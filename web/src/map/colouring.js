/**
 * colouring.js gives vehicles the colours of a property's values, instead of those of their states.
 */
import { quantity, telemetry } from "../format.js";
import { KINDS } from "./kinds.js";

/** @typedef {import("../fleet.js").Vehicle} Vehicle */
/** @typedef {import("./sprites.js").Colours} Colours */

/** Properties that say nothing about a vehicle. */
const NO_COLOUR = new Set(["vehicle_id", "timestamp", "time_basis", "stale_after_s", "expect_within_s"]);
/** The most properties to choose from. */
const MAX_PROPERTIES = 60;

/**
 * What colours can be of: the kind first, then the fleet's properties.
 * @param {Iterable<Vehicle>} vehicles
 */
export function colourable(vehicles) {
	/** @type {Set<string>} */
	const found = new Set();
	for (const { feature } of vehicles) {
		for (const [name, value] of Object.entries(feature.properties)) {
			if (!NO_COLOUR.has(name) && isScalar(value) && found.size < MAX_PROPERTIES) {
				found.add(name);
			}
		}
	}
	found.delete("kind");
	return ["kind", ...[...found].sort()];
}

/** @param {unknown} value */
const isScalar = (value) => ["string", "number", "boolean"].includes(typeof value);

/**
 * A vehicle's value of a property; undefined: it has none.
 * @param {Vehicle} vehicle
 * @param {string} property
 */
function valueOf(vehicle, property) {
	if (property === "kind") {
		return vehicle.kind ?? vehicle.topicKind ?? "other";
	}
	const value = vehicle.feature.properties[property];
	return isScalar(value) ? /** @type {string | number | boolean} */ (value) : undefined;
}

/**
 * Colouring gives each value of a property a colour, or each range of its numbers. A value keeps its colour
 * for as long as the property is chosen.
 */
export class Colouring {
	/** The property; null: vehicles have the colours of their states. @type {string | null} */
	property = null;
	/** Values by their colour's number; the others share that of "other". @type {Map<unknown, number>} */
	#values = new Map();
	/** Where a number's ranges begin, without the first; null: values have colours. @type {number[] | null} */
	#steps = null;
	#learnt = 0; // vehicles from which the ranges are
	/** The colour of each vehicle, until it has another Feature. @type {WeakMap<Vehicle, [unknown, number]>} */
	#known = new WeakMap();

	/** @param {Colours} colours */
	constructor(colours) {
		this.colours = colours;
	}

	/** Colours by another property. @param {string | null} property @param {Iterable<Vehicle>} vehicles */
	set(property, vehicles) {
		if (property !== this.property) {
			this.property = property;
			this.#values = new Map();
			this.#steps = null;
			this.#learnt = 0;
			this.learn(vehicles);
		}
	}

	/** Gives new values a colour, the most frequent first. @param {Iterable<Vehicle>} vehicles */
	learn(vehicles) {
		if (this.property === null) {
			return;
		}
		/** @type {Map<string | number | boolean, number>} */
		const counts = new Map();
		let size = 0;
		for (const vehicle of vehicles) {
			const value = valueOf(vehicle, this.property);
			if (value !== undefined) {
				counts.set(value, (counts.get(value) ?? 0) + 1);
				size++;
			}
		}
		const places = this.colours.values.length;
		const numeric = [...counts.keys()].every((value) => typeof value === "number");
		if (size > 0 && numeric && (this.#steps !== null || counts.size > places)) {
			if (size >= 2 * this.#learnt) {
				this.#learnt = size;
				this.#steps = ranges(
					/** @type {Map<number, number>} */ (counts),
					size,
					this.colours.steps.length,
				);
			}
		} else if (this.property === "kind") {
			this.#values = new Map(KINDS.slice(0, -1).map((kind, i) => [kind, i]));
		} else {
			this.#steps = null;
			for (const [value] of [...counts].sort((a, b) => b[1] - a[1])) {
				if (!this.#values.has(value) && this.#values.size < places) {
					this.#values.set(value, this.#values.size);
				}
			}
		}
		this.#known = new WeakMap();
	}

	/** A vehicle's colour; null: that of its state. @param {Vehicle} vehicle */
	of(vehicle) {
		if (this.property === null) {
			return null;
		}
		let known = this.#known.get(vehicle);
		if (known?.[0] !== vehicle.feature) {
			known = [vehicle.feature, this.#number(valueOf(vehicle, this.property))];
			this.#known.set(vehicle, known);
		}
		return this.#colour(known[1]);
	}

	/** @param {string | number | boolean | undefined} value @returns {number} −1: "other" */
	#number(value) {
		if (this.#steps === null) {
			return this.#values.get(value) ?? -1;
		}
		return typeof value === "number" ? this.#steps.filter((from) => value >= from).length : -1;
	}

	/** @param {number} number */
	#colour(number) {
		const { steps, values, parked } = this.colours;
		return (this.#steps === null ? values : steps)[number] ?? parked;
	}

	/** What the colours mean, in order. The last is that of all other vehicles. */
	get legend() {
		const { property } = this;
		if (property === null) {
			return [];
		}
		const steps = this.#steps;
		const texts =
			steps === null
				? [...this.#values.keys()].map((value) => telemetry(property, value)[1])
				: [undefined, ...steps].map((from, i) => rangeText(property, from, steps[i]));
		return [...texts, null].map((text, i) => ({
			text,
			value: steps === null ? [...this.#values.keys()][i] : undefined,
			colour: this.#colour(text === null ? -1 : i),
		}));
	}
}

/**
 * Where ranges begin that hold about as many vehicles each, at rounded numbers.
 * @param {Map<number, number>} counts vehicles by value
 * @param {number} size all vehicles
 * @param {number} parts
 */
function ranges(counts, size, parts) {
	/** @type {Set<number>} */
	const steps = new Set();
	let passed = 0;
	for (const [value, vehicles] of [...counts].sort(([a], [b]) => a - b)) {
		if (passed > 0 && passed >= (size * (steps.size + 1)) / parts && steps.size < parts - 1) {
			steps.add(Number(value.toPrecision(2)));
		}
		passed += vehicles;
	}
	return [...steps];
}

/**
 * "< 20 km/h", "20–40 km/h", "≥ 40 km/h".
 * @param {string} property
 * @param {number} [from]
 * @param {number} [to]
 */
function rangeText(property, from, to) {
	const unit = telemetry(property, 0)[1].replace(/^0 ?/, "");
	/** @param {number} value */
	const text = (value) => quantity(value, "").trim();
	if (from === undefined || to === undefined) {
		return `${from === undefined ? `< ${text(to ?? 0)}` : `≥ ${text(from)}`} ${unit}`.trim();
	}
	return `${text(from)}–${text(to)} ${unit}`.trim();
}
