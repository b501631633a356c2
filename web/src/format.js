/**
 * format.js formats telemetry for display, as the reader's settings say.
 */
import { onSettings, settings } from "./settings.js";
import { LANGUAGE, TEXTS } from "./texts.js";

/** @param {Intl.DateTimeFormatOptions} options */
const formatOf = (options) =>
	new Intl.DateTimeFormat(undefined, {
		...options,
		...(settings.zone === "utc" && { timeZone: "UTC" }),
		...(settings.clock !== "system" && { hourCycle: settings.clock === "24" ? "h23" : "h12" }),
	});
/** @returns {Record<"clock" | "day", Intl.DateTimeFormat>} */
const makeFormats = () => ({
	clock: formatOf({ hour: "2-digit", minute: "2-digit", second: "2-digit" }),
	day: formatOf({ dateStyle: "medium", timeStyle: "medium" }),
});
let formats = makeFormats();
onSettings(() => (formats = makeFormats()));

/** Units of speed, with their long and short units of distance. */
const SPEED_UNITS = {
	"km/h": { unit: "km/h", factor: 1, long: "km", metres: 1000, short: "m", shortMetres: 1 },
	mph: { unit: "mph", factor: 1 / 1.609344, long: "mi", metres: 1609.344, short: "ft", shortMetres: 0.3048 },
	knots: { unit: "kn", factor: 1 / 1.852, long: "nm", metres: 1852, short: "m", shortMetres: 1 },
};
/** What the scale of MapLibre's map calls them. */
const SCALE_UNITS = /** @type {const} */ ({ "km/h": "metric", mph: "imperial", knots: "nautical" });

/** The unit of the map's scale. */
export const scaleUnit = () => SCALE_UNITS[settings.speed];

/** A count with thousands separators. @param {number} count */
export const count = (count) => count.toLocaleString(LANGUAGE);

/** "12 s", "5 min", "3 h", "2 days". @param {number} seconds */
export function duration(seconds) {
	const s = Math.max(0, Math.floor(seconds));
	const { seconds: inSeconds, minutes, hours, days } = TEXTS.time;
	return s < 60
		? inSeconds(s)
		: s < 3600
			? minutes(Math.floor(s / 60))
			: s < 172_800
				? hours(Math.floor(s / 3600))
				: days(count(Math.floor(s / 86_400)));
}

/** Seconds ahead that clocks which agree may differ. */
const CLOCK_TOLERANCE = 2;

/** "now", "12 s ago"; "12 s ahead" of a clock that is behind. @param {number} seconds */
export function ago(seconds) {
	if (seconds <= -CLOCK_TOLERANCE) {
		return TEXTS.time.ahead(duration(-seconds));
	}
	return seconds < 1 ? TEXTS.time.now : TEXTS.time.ago(duration(seconds));
}

/**
 * A time, with its date unless it is within 12 hours.
 * @param {number} time Unix seconds
 * @param {number} now
 */
export function dateTime(time, now) {
	const text = (now - time < 43_200 ? formats.clock : formats.day).format(time * 1000);
	return settings.zone === "utc" ? `${text} UTC` : text;
}

/** @param {number} degrees clockwise from north */
export function compass(degrees) {
	return TEXTS.compass[Math.round(degrees / 45) % 8];
}

/** @param {number} degrees clockwise from north */
export function heading(degrees) {
	return `${Math.round(degrees) % 360}° ${compass(degrees)}`;
}

/**
 * A speed, marked if it is a guess.
 * @param {import("./fleet.js").Vehicle} vehicle
 */
export function speedOf({ speed, speedDerived }) {
	if (speed === null) {
		return TEXTS.values.unknown;
	}
	const { unit, factor } = SPEED_UNITS[settings.speed];
	const own = speed * factor;
	const rounded = own > 0 && own < 0.5 ? "< 1" : number(Math.round(own));
	return `${speedDerived ? "~" : ""}${rounded} ${unit}`;
}

/** A distance: "850 m", "3.4 km"; in miles or nautical miles beside such speeds. @param {number} m */
export function distanceText(m) {
	const { long, metres, short, shortMetres } = SPEED_UNITS[settings.speed];
	const own = m / metres;
	return own < 0.95
		? `${count(Math.round(m / shortMetres / 10) * 10)} ${short}`
		: `${own < 9.95 ? own.toFixed(1) : count(Math.round(own))} ${long}`;
}

/** A text with its first letter in upper case. @param {string} text */
export const capitalized = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Latitude first, the usual order in text. @param {number} lon @param {number} lat degrees */
export const coordinates = (lon, lat) => `${lat.toFixed(5)}, ${lon.toFixed(5)}`;

/** The usual name of a protocol. @param {string} protocol */
export function protocol(protocol) {
	return (
		{ h3: "HTTP/3", h2: "HTTP/2", h2c: "HTTP/2", "http/1.1": "HTTP/1.1", h1: "HTTP/1.1" }[protocol] ??
		protocol
	);
}

const UNITS = [
	[/_kmh$/, "km/h"],
	[/_km$/, "km"],
	[/_(percent|pct)$/, "%"],
	[/_(c|celsius)$/, "°C"],
	[/_kg$/, "kg"],
	[/_l$/, "l"],
	[/_v$/, "V"],
	[/_m$/, "m"],
	[/_s$/, "s"],
];

/**
 * Label and value of a telemetry member without a format of its own: `fuel_percent`: 62 is "Fuel", "62 %".
 * @param {string} name
 * @param {any} value any JSON
 * @returns {[string, string]}
 */
export function telemetry(name, value) {
	const [ending, unit] =
		typeof value === "number" ? (UNITS.find(([e]) => /** @type {RegExp} */ (e).test(name)) ?? []) : [];
	const words = (ending ? name.replace(ending, "") : name)
		.replace(/[_-]+/g, " ")
		.replace(/([a-z])([A-Z])/g, "$1 $2")
		.trim();
	return [capitalized(words), unit ? quantity(value, String(unit)) : valueText(value)];
}

/** Characters of a value that are shown at first. */
const SHORT = 160;

/** The beginning of a long text. @param {string} text */
export function shortened(text) {
	if (text.length <= SHORT) {
		return text;
	}
	const cut = text.slice(0, SHORT);
	return `${cut.replace(/[\uD800-\uDBFF]$/, "")}…`; // not half a character
}

/** Digits of a number that are shown. The rest of 0.30000000000000004 is how it was computed. */
const DIGITS = 12;

/**
 * A number as it is: neither tiny nor huge ones are rounded away. An integer that lost digits is marked;
 * livemap.js keeps those as text where the browser can.
 * @param {number} value
 */
export function number(value) {
	return Number.isInteger(value)
		? `${Math.abs(value) > Number.MAX_SAFE_INTEGER && Math.abs(value) < 1e21 ? "≈ " : ""}${value}`
		: String(Number(value.toPrecision(DIGITS)));
}

/**
 * A number with its unit, and with thousands separators where it is no power of ten.
 * @param {any} value any JSON; a number is meant
 * @param {string} unit
 */
export function quantity(value, unit) {
	const size = Math.abs(value);
	const plain = typeof value === "number" && (size === 0 || (size >= 1e-6 && size < 1e15));
	const text = plain ? value.toLocaleString(LANGUAGE, { maximumSignificantDigits: DIGITS }) : valueText(value);
	return `${text} ${unit}`;
}

/** A height or an accuracy: whole metres, or feet beside miles, but for less than one. @param {number} m */
export function metres(m) {
	const { short, shortMetres } = SPEED_UNITS[settings.speed];
	const own = m / shortMetres;
	return quantity(Math.abs(own) < 1 ? Number(own.toPrecision(2)) : Math.round(own), short);
}

/** @param {any} value any JSON */
function valueText(value) {
	switch (typeof value) {
		case "string":
			return value;
		case "boolean":
			return value ? TEXTS.values.yes : TEXTS.values.no;
		case "number":
			return number(value);
		default:
			return JSON.stringify(value);
	}
}
