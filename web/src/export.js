/**
 * export.js writes vehicles as CSV and as GeoJSON, which `livemap replay` reads again.
 */

/** @typedef {import("./fleet.js").Vehicle} Vehicle */

/** The first columns of CSV, by the names that publishers use. */
const FIRST = ["vehicle_id", "timestamp", "lat", "lon", "altitude", "speed_kmh", "heading", "accuracy"];

/** The newest positions of vehicles as a FeatureCollection. @param {Vehicle[]} vehicles */
export function geojsonOf(vehicles) {
	const features = vehicles.map(({ feature }) => JSON.stringify(feature));
	return `{"type":"FeatureCollection","features":[\n${features.join(",\n")}\n]}\n`;
}

/** The newest positions of vehicles as CSV (RFC 4180). @param {Vehicle[]} vehicles */
export function csvOf(vehicles) {
	const rows = vehicles.map(({ feature: { geometry, properties } }) => {
		const [lon, lat, altitude] = geometry.coordinates;
		const timestamp = timeText(properties.timestamp);
		return /** @type {Record<string, any>} */ ({ ...properties, timestamp, lat, lon, altitude });
	});
	// The first are there even when they are empty: another column, such as "course", would be taken for one.
	const others = rows.flatMap((row) => Object.keys(row).filter((name) => (row[name] ?? null) !== null));
	const columns = [...new Set([...FIRST, ...others])];
	return [columns, ...rows.map((row) => columns.map((column) => row[column]))]
		.map((cells) => cells.map(cell).join(","))
		.map((line) => `${line}\r\n`)
		.join("");
}

/** A time of RFC 3339 with all its digits. @param {number} time Unix seconds */
function timeText(time) {
	const [, fraction] = String(time).split(".");
	const text = new Date(Math.floor(time) * 1000).toISOString().slice(0, -".000Z".length);
	return `${text}${fraction ? `.${fraction}` : ""}Z`;
}

/**
 * A cell. An apostrophe before a text that spreadsheets would take for a formula is taken off by `livemap
 * replay`, to which a text in quotes is no number.
 * @param {any} value any JSON, or undefined
 */
function cell(value) {
	if (value === undefined || value === null) {
		return "";
	}
	if (typeof value === "number" || typeof value === "boolean") {
		return String(value);
	}
	const text = typeof value === "object" ? JSON.stringify(value) : value.replace(/^(?='*[=+\-@\t\r])/, "'");
	return /[",\r\n]|^[\s\d.]|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Saves a text as a file. @param {string} name @param {string} type @param {string} text */
export function download(name, type, text) {
	const link = document.createElement("a");
	link.href = URL.createObjectURL(new Blob([text], { type }));
	link.download = name;
	link.click();
	setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
