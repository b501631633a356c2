/**
 * columns.js says what a row of the list shows of a vehicle.
 */
import { ago, capitalized, compass, distanceText, duration, speedOf, telemetry } from "../format.js";
import { distance } from "../geodesy.js";
import { settings } from "../settings.js";
import { TEXTS } from "../texts.js";

/** @typedef {import("../fleet.js").Vehicle} Vehicle */
/** @typedef {import("../fleet.js").State} State */

/** The columns that are no property, or properties of several names. */
export const COLUMNS = /** @type {const} */ (["activity", "heard", "label", "driver", "line", "place"]);
const DEFAULT = [...COLUMNS];
/** Names under which publishers send the same. @type {Record<string, string[]>} */
const ALIASES = {
	label: ["name", "label"],
	driver: ["driver", "driver_name"],
	line: ["line", "route", "route_short_name", "route_id"],
};
/** Properties that have a column of another name, or none. */
const NO_COLUMN = new Set(["vehicle_id", "timestamp", "speed_kmh", "heading", "stale_after_s", "time_basis"]);
/** The most properties that can be chosen as columns. */
const MAX_COLUMNS = 40;
/** Seconds from which it is said for how long a vehicle is seen to stand. */
const STANDS_FROM = 60;

/** The columns of the list. @param {string[] | null} ofAddress */
export const columnsOf = (ofAddress) => ofAddress ?? settings.columns ?? DEFAULT;

/** The columns that vehicles have. @param {Iterable<Vehicle>} vehicles @returns {string[]} */
export function knownColumns(vehicles) {
	const aliases = new Set(Object.values(ALIASES).flat());
	/** @type {Set<string>} */
	const found = new Set(COLUMNS);
	for (const { feature } of vehicles) {
		for (const name of Object.keys(feature.properties)) {
			if (!NO_COLUMN.has(name) && !aliases.has(name) && !name.includes(",") && found.size < MAX_COLUMNS) {
				found.add(name);
			}
		}
	}
	return [...found];
}

/** @param {string} column */
export const columnName = (column) =>
	column in TEXTS.columns
		? TEXTS.columns[/** @type {keyof typeof TEXTS.columns} */ (column)]
		: telemetry(column, 0)[0];

/**
 * What a vehicle does, as text: its speed, or for how long it stands or is silent.
 * @param {Vehicle} vehicle
 * @param {State} state
 * @param {number} asOf until when the vehicle is known, in Unix seconds
 */
export function activity(vehicle, state, asOf) {
	switch (state) {
		case "moving":
			return `${speedOf(vehicle)} ${directionOf(vehicle)}`.trim();
		case "parked":
			return `${vehicle.speedDerived ? "~ " : ""}${TEXTS.rows.parked(standsFor(vehicle, asOf))}`.trim();
		case "unknown":
			return TEXTS.rows.unknown;
		case "silent":
			return TEXTS.rows.silent(duration(asOf - vehicle.time));
	}
}

/**
 * "12 min"; "12+ min" if it may be more; "" if that says nothing.
 * @param {Vehicle} vehicle
 * @param {number} asOf
 */
function standsFor({ standsSince: { time, exact } }, asOf) {
	const text = duration(asOf - time);
	return exact ? text : asOf - time < STANDS_FROM ? "" : text.replace(" ", "+ ");
}

/** The direction of a vehicle, marked if it is a guess. @param {Vehicle} vehicle */
function directionOf({ course, courseDerived }) {
	return course === null ? "" : `${courseDerived ? "~" : ""}${compass(course)}`;
}

/**
 * Where a vehicle is, in words: its town, or how far from one.
 * @param {Vehicle} vehicle
 * @param {import("../places.js").Places} places
 */
export function placeOf(vehicle, places) {
	const found = places.nearest(vehicle);
	if (found === null) {
		return "";
	}
	const { town, within, metres, course } = found;
	return within ? town.name : TEXTS.rows.from(distanceText(metres), compass(course), town.name);
}

/**
 * A property in a row: the name of its owner alone, or with its label.
 * @param {Vehicle} vehicle
 * @param {string} column
 */
function property({ feature: { properties } }, column) {
	const names = ALIASES[column] ?? [column];
	const name = names.find((name) => properties[name] !== undefined && properties[name] !== null);
	if (name === undefined || properties[name] === "" || properties[name] === properties.vehicle_id) {
		return "";
	}
	const [label, value] = telemetry(name, properties[name]);
	return column in ALIASES ? value : `${capitalized(label)} ${value}`;
}

/**
 * The texts of a row: what it does, when it was heard, and the rest in one line.
 * @param {Vehicle} vehicle
 * @param {object} of
 * @param {State} of.state
 * @param {number} of.now the hub's clock, Unix seconds
 * @param {number} of.asOf until when a vehicle that stands is taken to stand, Unix seconds
 * @param {string[]} of.columns
 * @param {import("../places.js").Places} of.places
 * @param {{lon: number, lat: number} | null} of.near
 */
export function rowTexts(vehicle, { state, now, asOf, columns, places, near }) {
	const about = columns
		.filter((column) => column !== "activity" && column !== "heard")
		.map((column) => (column === "place" ? placeOf(vehicle, places) : property(vehicle, column)));
	if (near) {
		about.unshift(TEXTS.rows.away(distanceText(distance(near, vehicle))));
	}
	return {
		what: columns.includes("activity")
			? activity(vehicle, state, state === "silent" ? now : asOf) // agrees with `heard`
			: "",
		heard: columns.includes("heard") ? ago(now - vehicle.time) : "",
		about: about.filter(Boolean).join(" · "),
	};
}
